"""Log set-up: events with fields, one line each, on stderr; stdout belongs to results."""

import logging
import sys
from typing import Protocol

import structlog


class LogSettings(Protocol):
    """The two settings that concern logs."""

    @property
    def log_level(self) -> str:
        """The lowest level that is written."""
        ...

    @property
    def log_format(self) -> str:
        """``json`` for machines, ``console`` for people."""
        ...


def set_up_logs(settings: LogSettings) -> None:
    """Send our events and those of libraries to stderr in one format.

    Parameters
    ----------
    settings
        Level and format; the `Settings` object has both.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderer(settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for noisy in ("alembic", "psycopg.pool", "asyncio", "numba"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _renderer(log_format: str) -> tuple[structlog.typing.Processor, ...]:
    """Choose how a line is written; no local variables of a traceback, which take seconds and may hold secrets."""
    if log_format == "console":
        plain = structlog.dev.plain_traceback
        return (structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain),)
    return (
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        structlog.processors.EventRenamer("event"),
        structlog.processors.JSONRenderer(default=str),
    )
