"""Runs a command and prints its peak memory in MB and how long it took: a process so small that it adds nothing.

A new process counts as its own peak what the one it was forked from held at that moment; hence not from the benchmark.
"""

import os
import sys
import time


def main(command: list[str]) -> int:
    """Run, wait, print `MEGABYTES SECONDS`; the exit code is the command's."""
    began = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, kibibytes elsewhere
    print(usage.ru_maxrss * unit / 1e6, time.monotonic() - began)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
