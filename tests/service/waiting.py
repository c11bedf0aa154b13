"""Waiting for what happens in another thread or process: until it has, but not for ever."""

import threading
from collections.abc import Callable
from time import monotonic

PATIENCE = 15.0  # seconds: what takes as long as that will not come


def until(condition: Callable[[], object], what: str | Callable[[], object] = "", patience: float = PATIENCE) -> None:
    """Wait until a condition holds; fail if it does not in time. Looking must not keep busy what is waited for."""
    pause, looked = threading.Event(), monotonic()
    over = looked + patience
    while not condition():
        if monotonic() > over:
            raise AssertionError(f"waited {patience:g} s in vain: {(what() if callable(what) else what) or condition}")
        pause.wait(max(0.01, 2 * (monotonic() - looked)))
        looked = monotonic()
