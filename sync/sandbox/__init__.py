"""A simulated Pipedrive: a company with its rules, its API and webhooks with faults to switch, and an HTTP server.

It stands apart from the program it serves to try out: it imports nothing of it but the clock and the root of errors,
and only the demo and the tests import it. It listens and speaks on loopback only.
"""

from sync.sandbox.changes import Change
from sync.sandbox.company import Company
from sync.sandbox.generator import Proportions, generate
from sync.sandbox.server import Sandbox
from sync.sandbox.webhooks import Unreliability

__all__ = ["Change", "Company", "Proportions", "Sandbox", "Unreliability", "generate"]
