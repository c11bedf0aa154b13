"""The webhook receiver: who may deliver, for which company, and every event stored before it is answered."""
