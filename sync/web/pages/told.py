"""What other layers say to people, in the visitor's language: errors, reasons in the database, what needs attention.

Those layers write English sentences with values in them, for terminals and logs as much as for pages, and keep some for
months. A text that is one of the known `sentences` is said anew, with the same values. Any other is shown as it is:
Pipedrive's own words, for instance.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from types import MappingProxyType

from sync.errors import SyncError
from sync.web.pages.language import Language
from sync.web.pages.sentences import HALVES, SENTENCES

_LONGEST = 1000  # letters of a text that is looked at: none of ours is longer
_MOST_ENDS = 4  # of sentences, that are tried for the first's
_CALL = re.compile(r"(?P<what>[^(]+) \((?P<where>[^)]+)\)(?P<words>: \".*\")?\.", re.DOTALL)
_NAME = re.compile(r"%\((\w+)\)s")


def told(language: Language, text: str) -> str:
    """A text of another layer in a visitor's language."""
    return _told(language, text) or text


def told_error(language: Language, error: SyncError) -> str:
    """What went wrong and what helps, in a visitor's language."""
    return f"{told(language, error.message)} {told(language, error.remedy)}".strip()


def _told(language: Language, text: str) -> str:
    """The text anew; empty if nothing of it is known."""
    if not text or len(text) > _LONGEST:
        return ""
    return _whole(language, text) or _of_field(language, text) or _call(language, text) or _several(language, text)


def _whole(language: Language, text: str) -> str:
    for sentence, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            values = {name: _VALUES.get(name, _as_it_is)(language, value) for name, value in found.groupdict().items()}
            return language.say(sentence, **values)
    return ""


def _of_field(language: Language, text: str) -> str:
    """What is wrong with a field: its name, which may have a colon in it, and half a sentence."""
    body, end = (text[:-1], ".") if text.endswith(".") else (text, "")
    for colon in re.finditer(": ", body):
        half = _half(language, body[colon.end() :])
        if half:
            return f"{body[: colon.start()]}: {half}{end}"
    return ""


def _half(language: Language, text: str) -> str:
    return _whole(language, text) if text.startswith(_BEGINNINGS) else ""


def _call(language: Language, text: str) -> str:
    """What a call came to, with what was called, and Pipedrive's own words."""
    found = _CALL.fullmatch(text)
    what = _whole(language, found["what"]) if found else ""
    return f"{what} ({found['where']}){found['words'] or ''}." if found and what else ""


def _several(language: Language, text: str) -> str:
    """Two sentences or more, of which the first is known."""
    for end in islice(re.finditer(r"[.)] (?=[A-Z`])", text), _MOST_ENDS):
        head, rest = text[: end.end() - 1], text[end.end() :]
        first = _whole(language, head) or _of_field(language, head) or _call(language, head)
        if first:
            return f"{first} {told(language, rest)}"
    return ""


def _number(language: Language, text: str) -> str:
    digits = text.replace(",", "")
    return language.number(int(digits)) if digits.isdecimal() else text


def _moment(language: Language, text: str) -> str:
    try:
        return language.moment(datetime.strptime(text, "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC))
    except ValueError:
        return text


def _as_it_is(_: Language, text: str) -> str:
    return text


_VALUES: Mapping[str, Callable[[Language, str], str]] = MappingProxyType(
    {"num": _number, "all": _number, "moment": _moment, "rest": told}
)
_SPELLED: Mapping[str, str] = MappingProxyType({"id": r"-?\d+", "num": r"[\d,]+", "all": r"[\d,]+"})
_BEGINNINGS = tuple({_NAME.split(half)[0] for half in HALVES})


@cache
def _patterns() -> Sequence[tuple[str, re.Pattern[str]]]:
    """Each sentence as a pattern, those first that say most themselves."""
    ordered = sorted(SENTENCES, key=lambda one: -len(_NAME.sub("", one)))
    return [(one, _pattern(one)) for one in ordered]


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = _NAME.split(sentence)
    spelled = [
        f"(?P<{part}>{_SPELLED.get(part, '.*?')})" if place % 2 else re.escape(part) for place, part in enumerate(parts)
    ]
    return re.compile("".join(spelled), re.DOTALL)
