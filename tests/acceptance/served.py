"""The commands that go on until they are told to stop, as processes whose log can be read while they run."""

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.acceptance.conftest import Program, Running
from tests.service.waiting import until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """`run` or `receive`, and what it has logged so far."""

    def __init__(self, process: Running, port: str) -> None:
        self.process = process
        self.address = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event."""
        lines = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def says(self, event: str) -> None:
        """Wait until it has logged an event."""
        until(lambda: self.logged(event) or self.process.poll() is not None, event, patience=60)
        assert self.logged(event), "".join(self.lines)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.address}{path}", timeout=20)

    def ready(self) -> tuple[int, dict[str, Any]]:
        """The status of /readyz, and what each check says."""
        answer = self.get("/readyz")
        return answer.status_code, answer.json()["checks"]

    def kill(self) -> None:
        """End it as the power cord would."""
        self.process.kill()
        self.process.wait(30)

    def ends(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Tell it to stop, and see that it does so in time, and well."""
        self.process.send_signal(number)
        self.ended()

    def ended(self) -> None:
        code = self.process.wait(5)
        self._reader.join(5)
        assert code == 0, "".join(self.lines)
        assert "Traceback" not in "".join(self.lines)


@contextmanager
def served(program: Program, command: str = "run", *options: str, **environment: str) -> Iterator[Served]:
    """A command, from when it takes requests; at the end of the block it is told to stop, if it still runs."""
    begun = begin(program, command, *options, **environment)
    try:
        begun.says("receiver_started" if command == "receive" else "service_started")
        yield begun
        if begun.process.poll() is None:
            begun.ends()
    finally:
        begun.kill()


def begin(program: Program, command: str = "run", *options: str, **environment: str) -> Served:
    """A command that is only just starting."""
    port = environment.get("SYNC_PORT", program.environment["SYNC_PORT"])
    return Served(program.start(command, *options, **environment), port)
