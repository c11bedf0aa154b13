"""Texts that are written in one place and said in another, in the language of whoever reads them there."""


def message(text: str) -> str:
    """The text itself; the catalogues know it by this."""
    return text
