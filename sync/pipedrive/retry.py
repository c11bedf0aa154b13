"""When a failed call is tried again, and after how long: pure decisions over a failure, its method and a count.

The waits come from the server where it asks for one, else from a jittered exponential backoff. Nothing here sleeps or
reads a clock; the client hands both to tenacity.
"""

import random

from sync.pipedrive.errors import PipedriveError, RateLimited, Unreachable

LONGEST_WAIT = 60.0  # seconds: what a server asks for beyond that is cut
FIRST_CONTACT_FOR = 10.0  # seconds: a wrong address in the settings should be told at once
_SHORTEST_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0


def may_retry(error: BaseException, method: str) -> bool:
    """Whether another try can help and do no harm: a write is repeated only when Pipedrive certainly did not act."""
    if not isinstance(error, PipedriveError) or not error.retried:
        return False
    return method == "GET" or isinstance(error, RateLimited) or not error.sent


def wait_before(error: BaseException, attempt: int, rng: random.Random) -> float:
    """The seconds to wait after failed attempt `attempt` (from 1): as the server asks, else 0.5, 1, 2 … with jitter."""
    asked = error.retry_after if isinstance(error, PipedriveError) else None
    if asked:
        return min(asked, LONGEST_WAIT) + rng.uniform(0, 0.1)
    backoff = min(_SHORTEST_BACKOFF * 2.0 ** min(attempt - 1, 10), _LONGEST_BACKOFF)
    return backoff + rng.uniform(0, backoff / 2)


def patience(error: BaseException, *, retry_for: float, reached_before: bool) -> float:
    """For how many seconds since its first attempt a call is worth repeating."""
    if isinstance(error, Unreachable) and not reached_before:
        return min(retry_for, FIRST_CONTACT_FOR)
    return retry_for
