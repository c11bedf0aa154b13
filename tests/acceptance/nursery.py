"""Commands as processes of their own that begin at once, for they are forked from one that has imported the program.

What becomes of a process is as with any other: it has its own memory, signals, files and exit code, and can be killed.
Only that a command starts from a shell is seen elsewhere: in the tests of the demo, of the browser and of the packages.
"""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLong
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TextIO

_IMPORTED = (
    *(f"sync.cli.{name}" for name in ("check", "conflicts", "database", "failures", "receive", "run", "status")),
    *("sync.cli.mirror", "sync.cli.people", "sync.cli.webhooks", "sync.store.migrating", "psycopg", "uvloop"),
)


class Child:
    """A running command, with as much of the face of `subprocess.Popen` as tests need."""

    def __init__(self, stdout: TextIO, stderr: TextIO, told: TextIO) -> None:
        self.stdout, self.stderr = stdout, stderr
        self.pid = int(told.readline())
        self._ended = Future[int]()
        threading.Thread(target=self._wait, args=(told,), daemon=True).start()

    def _wait(self, told: TextIO) -> None:
        with told:
            self._ended.set_result(int(told.readline()))

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    def wait(self, timeout: float | None = None) -> int:
        try:
            return self._ended.result(timeout)
        except TooLong:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; what it has printed that nobody has read yet."""
        with ThreadPoolExecutor(2) as readers:
            out, err = readers.submit(_rest, self.stdout), readers.submit(_rest, self.stderr)
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            return out.result(), err.result()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _rest(stream: TextIO) -> str:
    if stream.closed:
        return ""
    with stream:
        return stream.read()


class Nursery:
    """The process that all others are forked from."""

    def __init__(self, control: socket.socket) -> None:
        self._control, self._turn = control, threading.Lock()

    def start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Child:
        """Start a command."""
        pipes = [os.pipe() for _ in range(3)]
        order = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        with self._turn:  # until the child has told its number: two orders in one piece could not be told apart
            socket.send_fds(self._control, [order], [end for _, end in pipes])
            for _, end in pipes:
                os.close(end)
            return Child(*(open(beginning, encoding="utf-8") for beginning, _ in pipes))


@contextmanager
def opened_nursery(root: Path) -> Iterator[Nursery]:
    """A nursery, for as long as the block lasts."""
    mine, its_own = socket.socketpair()
    with mine:
        with its_own:
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(its_own.fileno())],
                cwd=root,
                env={**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "error"},
                pass_fds=[its_own.fileno()],
                stdin=subprocess.DEVNULL,
            )
        yield Nursery(mine)
        mine.shutdown(socket.SHUT_RDWR)
        process.wait(30)


def _serve(control: socket.socket) -> None:
    for module in _IMPORTED:
        import_module(module)
    gc.freeze()
    while True:
        order, given, _, _ = socket.recv_fds(control, 2**16, 3)
        _bury()
        if not order:
            return
        if os.fork() == 0:
            control.close()
            _keep(json.loads(order), *given)
            return
        for one in given:
            os.close(one)


def _bury() -> None:
    """Wait for those that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(order: tuple[list[str], str, dict[str, str]], out: int, err: int, tell: int) -> None:
    """Start the command, and tell its number and in the end its exit code; returns in the command's own process."""
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        _become(order, out, err)
        return
    os.close(out)
    os.close(err)
    os.write(tell, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):  # nobody may want to know any more
        os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(order: tuple[list[str], str, dict[str, str]], out: int, err: int) -> None:
    from sync.cli import main

    arguments, folder, environment = order
    # As in a terminal, even if a shell has started the tests in the background, and so with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pipedrive-sync", *arguments]
    main()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        _serve(given)
