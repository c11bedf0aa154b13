"""The root of every error this program raises on purpose.

An error carries one sentence that says what happened, a remedy that says what to do next, and the exit code of the
command it ends. Nothing here knows where an error comes from: each layer subclasses `SyncError` for its own failures.
"""


class SyncError(Exception):
    """An expected failure: shown to a person as `message` and `remedy`, never as a traceback."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class Interrupted(SyncError):
    """The program was asked to stop (Ctrl-C or SIGTERM) while it was waiting or between two steps."""

    exit_code = 130

    def __init__(self, message: str = "Stopped on request.", remedy: str = "") -> None:
        super().__init__(message, remedy)
