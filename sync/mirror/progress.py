"""What a long copy tells of itself while it runs; how it is shown is the command line's."""

from typing import Protocol


class Progress(Protocol):
    """Hears how each list gets on. Called from several threads."""

    def started(self, listing: str, *, rows: int, expected: int | None) -> None:
        """A list is being read; `rows` are already there, `expected` is an upper bound of those in it."""
        ...

    def advanced(self, listing: str, *, rows: int, reached: int | None, tokens: int) -> None:
        """A page was committed: how many rows it had, the id it reached, the tokens it cost."""
        ...

    def finished(self, listing: str) -> None:
        """The list is complete."""
        ...


class Silent:
    """Tells nobody."""

    def started(self, listing: str, *, rows: int, expected: int | None) -> None: ...

    def advanced(self, listing: str, *, rows: int, reached: int | None, tokens: int) -> None: ...

    def finished(self, listing: str) -> None: ...
