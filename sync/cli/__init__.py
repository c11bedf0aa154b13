"""The command line: parse, call, print. What the commands do is done by the rooms below.

Results go to standard output, everything else to standard error. Every expected failure is one sentence with its remedy
and the exit code of its class; a traceback is for debugging only.
"""

from sync.cli.main import main

__all__ = ["main"]
