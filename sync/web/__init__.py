"""What is served over HTTP: the webhook receiver, health, metrics.

A request never calls Pipedrive, and never waits for anything slow on the event loop: what takes time goes to a thread.
"""
