"""What other layers say is said anew in the visitor's language: every sentence of theirs, with its values."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import sync
from sync.errors import SyncError
from sync.pipedrive import errors as calls
from sync.pipedrive.errors import Rule, failure
from sync.web.pages.language import language_for
from sync.web.pages.sentences import SENTENCES
from sync.web.pages.told import told, told_error

ROOT = Path(sync.__file__).parent
GERMAN = language_for(["de"], ZoneInfo("Europe/Berlin"))
ENGLISH = language_for(["en-GB"], UTC)

# Where errors and reasons come from that pages show; in brackets, what only a terminal says.
SPEAKERS = {
    "writeback/editing.py": ("typed_values", "_field", "typed_value", "_user"),
    "writeback/errands.py": (),
    "accounts/values.py": ("_json", "_typed_option"),
    "accounts/own_fields.py": (),
    "store/database.py": ("_parsed", "_sqlite_engine"),
}
NOTED = ("writeback/overview.py", "service/overview.py", "mirror/state.py")


def spoken(node: ast.expr) -> str | None:
    """A text as a pattern of what it looks like once it has its values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(re.escape(one.value) if isinstance(one, ast.Constant) else ".*" for one in node.values)
    return None


def functions(path: str) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node.name, node


def refusals() -> Iterator[str]:
    for path, aside in SPEAKERS.items():
        for name, function in functions(path):
            if name in aside:
                continue
            for node in ast.walk(function):
                made = node.exc if isinstance(node, ast.Raise) else node.value if isinstance(node, ast.Return) else None
                if isinstance(made, ast.Call) and getattr(made.func, "id", "X")[0].isupper():
                    yield from (said for one in made.args if (said := spoken(one)) and r"\ " in said)


def attention() -> Iterator[str]:
    for path in NOTED:
        for _, function in functions(path):
            for node in ast.walk(function):
                if isinstance(node, ast.Yield) and node.value is not None and (said := spoken(node.value)):
                    yield said


def rules() -> Iterator[Rule]:
    yield from calls.RULES.values()
    yield from (one for one in vars(calls).values() if isinstance(one, Rule))


def is_known(text: str) -> bool:
    return told(GERMAN, text) != text


def written(sentence: str) -> str:
    """A sentence with values in it."""
    values = {"moment": "2026-11-02 09:30 UTC", "rest": "it must be a text"}
    return re.sub(r"%\((\w+)\)s", lambda name: values.get(name[1], "7"), sentence)


@pytest.mark.parametrize("pattern", sorted({*refusals(), *attention()} - {r".*:\ .*\."}))
def test_every_sentence_that_a_page_may_show_is_known(pattern: str) -> None:
    known = [one for one in map(written, SENTENCES) if re.fullmatch(pattern, one)]
    assert known
    assert all(is_known(one) for one in known)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_known_sentence_is_said_in_german_and_left_alone_in_english(sentence: str) -> None:
    text = written(sentence)
    assert is_known(text)
    assert told(ENGLISH, text) == text.replace("2026-11-02 09:30 UTC", "2 Nov 2026, 09:30")


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.what)
def test_what_calls_come_to_is_known(rule: Rule) -> None:
    error = failure(rule, "PATCH", "/api/v2/organizations/7", status=400, words="name (of it) is too long")
    said = told_error(GERMAN, error)
    assert '(PATCH /api/v2/organizations/7 answered 400): "name (of it) is too long".' in said
    assert rule.what not in said
    assert is_known(rule.remedy)
    assert rule.remedy not in told(GERMAN, str(error))  # as jobs keep it
    assert told_error(ENGLISH, error) == str(error)


def test_values_are_said_as_in_that_language() -> None:
    text = (
        "The service's job “poll” fails (1,234 times in a row, not since 2026-11-02 23:30 UTC): "
        "Pipedrive's tokens of this day are spent."
    )
    assert told(GERMAN, text) == (
        "Der Job „poll“ des Dienstes schlägt fehl (1.234-mal in Folge, zuletzt gelungen: 03.11.2026, 00:30): "
        "Die Tokens des Tages sind bei Pipedrive verbraucht."
    )


@pytest.mark.parametrize(
    ("text", "german"),
    [
        ("Stufe: Ziel: it must be a whole number.", "Stufe: Ziel: muss eine ganze Zahl sein."),
        (
            "Branche: it has no option 7; the options are Bau (1), Handel (2) and 12 more.",
            "Branche: hat keine Option 7; die Optionen sind Bau (1), Handel (2) und 12 weitere.",
        ),
        (
            "Budget: its currency is missing: it must be an amount with its currency, such as 1200 EUR",
            "Budget: es fehlt currency: muss ein Betrag mit Währung sein, etwa 1200\u00a0EUR",
        ),
        ("Run a sync first. Run a sync first.", "Zuerst einen Abgleich ausführen. Zuerst einen Abgleich ausführen."),
    ],
)
def test_sentences_are_known_by_their_parts(text: str, german: str) -> None:
    assert told(GERMAN, text) == german


@pytest.mark.parametrize("text", ["", "Organization name is invalid", "x: it is", "it must", "%(id)s", "a" * 5000])
def test_what_is_not_known_is_shown_as_it_is(text: str) -> None:
    assert told(GERMAN, text) == text


def test_an_error_without_a_remedy_ends_after_its_message() -> None:
    assert told_error(GERMAN, SyncError("There is no account 7.")) == "Es gibt keinen Account 7."


def test_hostile_words_take_no_time() -> None:
    started = datetime.now(UTC)
    for text in ("its " * 240, "x: it has no option " * 50, "A. B) C (D): " * 80, "No webhook has come since " * 40):
        told(GERMAN, text)
    assert (datetime.now(UTC) - started).total_seconds() < 5
