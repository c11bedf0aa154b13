"""Calling from the event loop what takes time, without keeping the loop waiting."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


async def in_background(function: Callable[[], T]) -> T:
    """What a function returns or raises, called in a thread of its own.

    Nothing waits for the thread when the program ends, unlike those of pools: a database that hangs must not hold it
    up. How many run at one time is the business of callers.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    threading.Thread(target=_call, args=(function, future), name="background", daemon=True).start()
    return await asyncio.wrap_future(future)


class Question(Generic[T]):
    """What anybody may ask at any time: asked once for all who ask meanwhile, and waited for only so long.

    The function must not raise.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._answer: asyncio.Future[T] | None = None

    async def answer(self, patience: float) -> T:
        """What the function returns. Raises `TimeoutError` when it takes more than so many seconds."""
        if self._answer is None or self._answer.done():
            self._answer = asyncio.ensure_future(in_background(self._function))
        return await asyncio.wait_for(asyncio.shield(self._answer), patience)


def _call(function: Callable[[], T], future: "Future[T]") -> None:
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
