"""The texts of the pages, and the catalogues that hold them in other languages: `sync/web/locales/*.po`.

A catalogue is written in one way: texts in alphabetical order, no places, no dates. The comment at its top is its own.
"""

import tomllib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "sync" / "web"
CATALOGUES = PAGES / "locales"

# What says a text, and which of its arguments are texts.
_SAYING: Mapping[str, tuple[int, ...] | None] = MappingProxyType(
    {"_": None, "gettext": None, "say": None, "message": None, "ngettext": (1, 2), "count": (1, 2)}
)


def texts() -> Catalog:
    """Every text of the pages."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    found = Catalog()
    for _file, _line, text, _comments, _context in extract_from_dir(
        PAGES, [(one["pattern"], one["method"]) for one in mappings], keywords=_SAYING
    ):
        found.add(text)
    return found


def load(language: str) -> Catalog:
    """The catalogue of a language, as it is written."""
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def untranslated(catalogue: Catalog) -> Sequence[str]:
    """The texts of a catalogue that are not said in its language yet, or not in every number."""
    return [_first(one.id) for one in catalogue if one.id and not all(_each(one.string))]


def _first(text: str | Sequence[str]) -> str:
    return text if isinstance(text, str) else text[0]


def _each(text: str | Sequence[str]) -> Sequence[str]:
    return [text] if isinstance(text, str) else text


def renewed(language: str) -> str:
    """A catalogue with the texts of today: new ones have an empty translation, those that are gone have gone."""
    catalogue = load(language)
    catalogue.update(texts(), no_fuzzy_matching=True)
    written = BytesIO()
    write_po(written, catalogue, width=0, no_location=True, omit_header=True, sort_output=True, ignore_obsolete=True)
    return _head(language, catalogue.header_comment) + written.getvalue().decode()


def _head(language: str, comment: str) -> str:
    """The beginning of a catalogue, with nothing in it that another run would change."""
    lines = [
        f"Language: {language}",
        f"Plural-Forms: {Catalog(Locale.parse(language)).plural_forms}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    return "\n".join([comment, 'msgid ""', 'msgstr ""', *(f'"{line}\\n"' for line in lines), "", ""])
