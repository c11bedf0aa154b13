"""Texts as people look for them and as lists are sorted: accents, case and runs of spaces make no difference."""

import unicodedata


def folded(text: str) -> str:
    """A text as it is searched and sorted: without accents, case, runs of spaces, and ways to write a letter."""
    if text.isascii():
        return " ".join(text.lower().split())
    apart = unicodedata.normalize("NFKD", text).casefold()
    return " ".join("".join(one for one in apart if not unicodedata.combining(one)).split())
