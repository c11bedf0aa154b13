"""What stands in the body of an answer: JSON, Pipedrive's envelope around it, or the words of a refusal.

Pure functions over bytes: nothing here knows HTTP statuses or raises a typed error; the client decides what a body
means.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson

_LONGEST_WORDS = 300
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_BOILERPLATE = "developers.pipedrive.com"  # "Please check developers.pipedrive.com" says nothing about the failure


@dataclass(frozen=True, slots=True)
class Envelope:
    """Pipedrive's envelope, read. `problem` says why a body is none; `refused` that it says `success: false`."""

    data: Any = None
    additional_data: dict[str, Any] | None = None
    problem: str = ""
    refused: bool = False
    error_code: int | None = None


def parse(content: bytes) -> Any:
    """JSON of any kind. Raises ValueError.

    orjson is strict; what it refuses and Python's own reader takes (NaN, lone surrogates, a byte order mark) is still
    an answer, and its odd values are the business of whoever stores them.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            return json.loads(content)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def read(content: bytes, *, needs_data: bool) -> Envelope:
    """Read the envelope of a 2xx answer. `needs_data`: a body without `data` is no answer (writes may go without)."""
    if not content and not needs_data:
        return Envelope()
    try:
        body = parse(content)
    except ValueError:
        return Envelope(problem="the answer is not JSON")
    if not isinstance(body, dict) or "success" not in body:
        return Envelope(problem="the answer has no envelope")
    if not body["success"]:
        code = body.get("errorCode")
        return Envelope(refused=True, error_code=code if isinstance(code, int) else None)
    if needs_data and "data" not in body:
        return Envelope(problem="the answer holds no data")
    additional = body.get("additional_data")
    return Envelope(body.get("data"), additional if isinstance(additional, dict) else {})


def is_page(content: bytes, content_type: str) -> bool:
    """Whether a body is a web page, which the API never sends."""
    return "html" in content_type.lower() or content.lstrip()[:1] == b"<"


def words_of(content: bytes, content_type: str) -> str:
    """What a refusal says, on one printable line: its error and code, the title of a page, or the text itself."""
    if is_page(content, content_type):
        title = _TITLE.search(content)
        return _one_line(title.group(1).decode("utf-8", "replace")) if title else ""
    try:
        body = parse(content)
    except ValueError:
        return _one_line(content[: 4 * _LONGEST_WORDS].decode("utf-8", "replace"))
    if not isinstance(body, dict):
        return ""
    said = [_text(body.get(key)) for key in ("error", "message", "error_info", "code")]
    said += _mistakes(body.get("errors"))
    parts = [part for part in said if part and _BOILERPLATE not in part]
    return _one_line("; ".join(dict.fromkeys(parts)))


def _mistakes(errors: object) -> list[str]:
    """Pipedrive API: a refused webhook is told as `{"errors": {"subscription_url": ["invalid or …"]}}`."""
    if not isinstance(errors, dict):
        return []
    listed = {name: of if isinstance(of, list) else [of] for name, of in errors.items()}
    return [f"{name}: {', '.join(_text(one) for one in of)}" for name, of in listed.items()]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) and value else ""


def _one_line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= _LONGEST_WORDS else line[: _LONGEST_WORDS - 1] + "…"
