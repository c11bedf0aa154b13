"""The log: one line per event, for machines as JSON and for people as coloured text, on standard error.

Owns the set-up of structlog and of the standard library's logging: the lines of libraries look the same and pass the
same redaction. Only the command line calls `configure_logging`; everyone else calls `structlog.get_logger()`, names
events in snake_case and binds `company`, `entity` and `run` with `structlog.contextvars` (a new thread starts unbound).
Above debug level a line must not hold a customer's field values; a traceback, which may, is shown at debug level only.
"""

import json as jsonlib
import logging
import sys
import traceback
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from sync.telemetry.redaction import Redactor

LEVELS = ("debug", "info", "warning", "error")

# Talkative at info level about what the program logs itself.
_TALKATIVE_LIBRARIES = ("alembic", "apscheduler")
_FIRST_KEYS = ("time", "level", "event")

_redactor = Redactor()


def redact(text: str) -> str:
    """The text without secrets: those given to `configure_logging`, and whatever looks like one."""
    return _redactor.text(text)


def configure_logging(*, level: str, json: bool | None, secrets: Iterable[str], stream: TextIO | None = None) -> None:
    """Set up logging for the whole process; calling it again replaces the earlier set-up.

    `level` is one of `LEVELS`; `json=None` means JSON unless the stream is a terminal; `secrets` are hidden wherever
    they appear; `stream` is standard error by default. Raises ValueError on an unknown level.
    """
    global _redactor
    if level not in LEVELS:
        raise ValueError(f"Unknown log level {level!r}: choose one of {', '.join(LEVELS)}.")
    threshold = logging.getLevelNamesMapping()[level.upper()]
    _redactor = Redactor(secrets)
    terminal = (stream or sys.stderr).isatty()
    _install(_Output(stream, _formatter(threshold, not terminal if json is None else json, colors=terminal)), threshold)
    structlog.configure(
        processors=[
            *_common_processors(threshold),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A cached logger would keep the set-up of its first use.
        cache_logger_on_first_use=False,
    )


def _install(output: "_Output", threshold: int) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Output)]:
        root.removeHandler(handler)
    root.addHandler(output)
    root.setLevel(threshold)
    for name in _TALKATIVE_LIBRARIES:
        logging.getLogger(name).setLevel(threshold if threshold <= logging.DEBUG else max(threshold, logging.WARNING))


def _common_processors(threshold: int) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _explain_exception if threshold > logging.DEBUG else _explain_exception_with_traceback,
    ]


def _formatter(threshold: int, json: bool, *, colors: bool) -> logging.Formatter:
    console = structlog.dev.ConsoleRenderer(
        colors=colors and sys.platform != "win32",
        exception_formatter=structlog.dev.plain_traceback,
        pad_event_to=0,
        sort_keys=False,
        timestamp_key="time",
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_name_library_event, *_common_processors(threshold)],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _redact_event,
            _render_json if json else console,
        ],
    )


def _name_library_event(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """A library's free text is no event name: it moves to `message`."""
    record: logging.LogRecord = event_dict["_record"]
    return {**event_dict, "event": "library_message", "logger": record.name, "message": event_dict["event"]}


def _explain_exception(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """The exception in one line, as `error`."""
    error = _exception_of(event_dict.pop("exc_info", None))
    if error is not None:
        event_dict.setdefault("error", f"{type(error).__name__}: {error}")
    return event_dict


def _explain_exception_with_traceback(logger: WrappedLogger, method: str, event_dict: EventDict) -> EventDict:
    error = _exception_of(event_dict.get("exc_info"))
    if error is not None:
        event_dict["exception"] = "".join(traceback.format_exception(error)).rstrip()
    return _explain_exception(logger, method, event_dict)


def _exception_of(exc_info: object) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case None | False:
            return None
        case _:
            return sys.exception()


def _redact_event(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> MutableMapping[str, Any]:
    """Runs last before the rendering, which by then meets plain JSON types only."""
    ordered = {key: event_dict[key] for key in _FIRST_KEYS if key in event_dict} | dict(event_dict)
    return _redactor.mapping(ordered)


def _render_json(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> str:
    # ASCII: it survives every terminal and every encoding, lone surrogates included.
    return jsonlib.dumps(event_dict)


class _Output(logging.Handler):
    """Writes each record to the stream; without one, to whatever standard error is at that moment."""

    def __init__(self, stream: TextIO | None, formatter: logging.Formatter) -> None:
        super().__init__()
        self._stream = stream
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(self.format(record))
        except Exception:  # a log line that can't be written never stops the work it tells about
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Say that a line was lost, and why. The inherited method would print the record as it is, secrets included."""
        lost = {"level": "error", "event": "log_line_lost", "logger": record.name, "error": repr(sys.exception())}
        try:
            self._write(jsonlib.dumps(_redactor.mapping(lost)))
        except (OSError, ValueError):
            return  # the stream itself is gone: nobody is left to tell

    def _write(self, line: str) -> None:
        stream = self._stream or sys.stderr
        stream.write(line + "\n")
        stream.flush()
