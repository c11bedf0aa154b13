"""Many accounts in a form: their numbers as a short text, and what a posted list of them means."""

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import parse_qsl

from starlette.datastructures import FormData, QueryParams

from sync.accounts.lists.filtering import Filter
from sync.pipedrive.records import INTEGER_RANGE
from sync.web.pages.asking import filter_of

MOST = 200_000  # accounts

_RANGES = re.compile(r"\d{1,18}(?:-\d{1,18})?(?:,\d{1,18}(?:-\d{1,18})?)*", re.ASCII)


def ranges(ids: Iterable[int]) -> str:
    """Numbers as a text, runs of them in short: `1-3,7`."""
    runs: list[list[int]] = []
    for one in sorted(set(ids)):
        if runs and one == runs[-1][1] + 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def picked(form: FormData) -> Sequence[int]:
    """The accounts that a form names: in check boxes, and as a text of ranges. At most `MOST`."""
    boxes = [one for one in form.getlist("account") if isinstance(one, str) and one.isascii() and one.isdigit()]
    numbers = {*_numbers(",".join(boxes)), *_numbers(str(form.get("chosen", "")))}
    return sorted(numbers)[:MOST]


def _numbers(text: str) -> Iterator[int]:
    if not _RANGES.fullmatch(text):
        return
    left = MOST
    for part in text.split(","):
        first, _, last = part.partition("-")
        run = range(int(first), int(last or first) + 1)[:left]
        left -= len(run)
        yield from (one for one in run if one in INTEGER_RANGE)


def every_matching(form: FormData) -> Filter | None:
    """The filter whose accounts are meant, all of them, if a form says so."""
    if "every" not in form:
        return None
    return filter_of(QueryParams(parse_qsl(str(form.get("query", "")))).multi_items())
