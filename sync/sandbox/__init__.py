"""A simulated Pipedrive: a company with its rules, its API with faults to switch, and an HTTP server on loopback.

It stands apart from the program it serves to try out: it imports nothing of it but the clock and the root of errors,
and only the demo and the tests import it.
"""

from sync.sandbox.company import Change, Company
from sync.sandbox.generator import Proportions, generate
from sync.sandbox.server import Sandbox

__all__ = ["Change", "Company", "Proportions", "Sandbox", "generate"]
