"""The whole service on a virtual clock, against a simulated Pipedrive where everything goes wrong by chance.

Nothing in here sleeps or opens a socket: requests and webhook deliveries are function calls, and time passes in jumps
from one thing that is due to the next. A seed replays to the letter.
"""
