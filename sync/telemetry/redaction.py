"""Takes secrets out of text and of log events, wherever in them they stand.

Two nets: the known secrets in every shape they travel in (plain, URL-quoted, escaped, inside base64 as in Basic
authentication), and whatever stands where a secret usually does (a key like `x-api-token`, a password in an address).
Pure: a `Redactor` is a value; `sync.telemetry.logs` holds the one of this process. Must err on the side of hiding.
"""

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"

_NAME = (
    r"(?:password|passwd|secret|token|api[_-]?(?:token|key)|(?:access|refresh)[_-]?token"
    r"|authorization|credentials?|(?:set[_-])?cookie)"
)
_START = r"(?:(?<![a-z0-9])|(?=(?-i:[A-Z])))"  # of a word, as in api_token, or of a part of one, as in clientSecret
_SECRET_KEY = re.compile(rf"(?i:(?:.*[^a-z0-9])?{_NAME})|.*[a-z0-9](?:Password|Secret|Token)", re.DOTALL)
_PATTERNS = (
    # Authorization: Basic … or Bearer …, but not the words "basic authentication".
    (re.compile(r"\b((?i:basic|bearer)\s+)(?=\S*(?:[0-9=_]|[a-z][A-Z]))[\w.~:+/=-]{8,}"), rf"\1{MASK}"),
    # The header lines of a dumped request.
    (re.compile(r"(?i)\b((?:x-api-token|(?:proxy-)?authorization|(?:set-)?cookie):[ \t]*)[^\r\n]+"), rf"\1{MASK}"),
    # {"api_token": "…"} or {'x-api-token': b'…'}: JSON or a Python repr, perhaps cut short.
    (
        re.compile(rf"""(?is)({_START}{_NAME}["']\s*:\s*b?(["']))(?:\\.|(?!\2).)*(\2|\Z)"""),
        rf"\1{MASK}\3",
    ),
    # api_token=… in a query, a form or an environment.
    (re.compile(rf"""(?i)({_START}{_NAME}=)[^\s&;,"'<>)\]}}]+"""), rf"\1{MASK}"),
    # postgresql://user:password@host/database: the password may hold an @ or a slash, not both.
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)(?:[^\s/]+|[^\s@]+)(@)"), rf"\1{MASK}\2"),
)
_BASE64_WORD = re.compile(r"[A-Za-z0-9+/_=-]{4,}")
_SHORT = 4
_DEEPEST = 8


class Redactor:
    """Hides the given secrets and whatever looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: a secret may be the beginning of another.
        known = sorted({secret for secret in secrets if secret.strip()}, key=len, reverse=True)
        patterns = [pattern for secret in known for pattern in _patterns(secret)]
        self._known = re.compile("|".join(patterns)) if patterns else None
        self._encoded = tuple(core for secret in known if len(secret) >= _SHORT for core in _base64_cores(secret))

    def text(self, text: str) -> str:
        """The text without its secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        if any(core in text for core in self._encoded):
            text = _BASE64_WORD.sub(self._hide_encoded, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: object, *, depth: int = 0) -> object:
        """The value in plain JSON types, its secrets hidden at any depth; other objects become their text."""
        match value:
            case None | bool() | int():
                return value
            case float():
                return value if math.isfinite(value) else str(value)
            case str():
                return self.text(value)
            case bytes() | bytearray():
                return self.text(value.decode("utf-8", "replace"))
            case BaseException():
                return self.text(f"{type(value).__name__}: {value}")
            case Mapping() if depth < _DEEPEST:
                return self.mapping(value, depth=depth)
            case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
                return [self.value(item, depth=depth + 1) for item in value]
            case _:
                return self.text(str(value))

    def mapping(self, mapping: Mapping[Any, object], *, depth: int = 0) -> dict[str, object]:
        """Like `value`, and what stands under a key that names a secret is hidden whole."""
        return dict(self._member(_name(key), item, depth) for key, item in mapping.items())

    def _member(self, name: str, value: object, depth: int) -> tuple[str, object]:
        # None and flags stay: whether a secret is set at all is what one wants to know.
        hide = _SECRET_KEY.fullmatch(name) and value is not None and not isinstance(value, bool)
        return self.text(name), MASK if hide else self.value(value, depth=depth + 1)

    def _hide_encoded(self, word: re.Match[str]) -> str:
        return MASK if any(core in word[0] for core in self._encoded) else word[0]


def _name(key: object) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _patterns(secret: str) -> list[str]:
    """Regular expressions for a secret as written, quoted for a URL, and escaped by JSON or repr."""
    if len(secret) < _SHORT:
        # Hidden everywhere, a secret like "a" would leave no readable word.
        return [rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])"]
    written = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    patterns = [re.escape(text) for text in written]
    patterns += [re.sub("%[0-9A-F]{2}", r"(?i:\g<0>)", re.escape(text)) for text in quoted]
    return sorted(patterns, key=len, reverse=True)


def _base64_cores(secret: str) -> list[str]:
    """What the base64 of any text that holds the secret must contain, as base64("user:password") does.

    A letter of base64 stands for six bits: those that the secret fills alone look the same whatever stands around it,
    and which those are depends on where in a group of three bytes the secret begins.
    """
    plain = secret.encode("utf-8", "surrogatepass")
    cores = []
    for offset in range(3):
        padded = bytes(offset) + plain
        own = slice(-(-8 * offset // 6), 8 * len(padded) // 6)
        cores += [base64.b64encode(padded).decode()[own], base64.urlsafe_b64encode(padded).decode()[own]]
    return list(dict.fromkeys(cores))
