"""Runs the sandbox alone: `python -m sync.sandbox --port 0 --seed 1 --organizations 200`.

Prints its address and its token on one line, then answers until it is interrupted.
"""

import argparse
import gc
import signal
import sys
import threading

from sync.sandbox.server import Sandbox


def main(arguments: list[str] | None = None) -> int:
    """Start, print one line, wait for Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sync.sandbox", description="A simulated Pipedrive on loopback.")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--seed", type=int, default=1, help="which company to generate")
    parser.add_argument("--organizations", type=int, default=200, help="how many organizations it has")
    parser.add_argument("--burst", type=int, default=20, help="requests per two seconds, 0 for no limit")
    parser.add_argument("--daily-tokens", type=int, default=1_000_000, help="tokens per day, 0 for no limit")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds by which every answer is delayed")
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    sandbox = Sandbox(
        seed=options.seed,
        organizations=options.organizations,
        burst=options.burst or None,
        daily_tokens=options.daily_tokens or None,
        port=options.port,
    )
    sandbox.faults.latency = options.latency
    # Millions of records that stay for good would only slow down every later collection.
    gc.freeze()
    with sandbox:
        sys.stdout.write(f"{sandbox.url} {sandbox.token}\n")
        sys.stdout.flush()
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
