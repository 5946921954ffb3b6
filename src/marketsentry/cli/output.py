"""What every verb shares: one JSON document on stdout, everything else on stderr, and the exit codes.

Exit codes: 0 done; 1 a bug; 2 the caller's input or a check that failed; 3 a needed thing is missing or its
state forbids the call; 4 a dependency (PostgreSQL, Redis, a venue) failed; 130 interrupted.
A verb with codes of its own names them in its help.
"""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import typer

from marketsentry.exceptions import (
    ConflictError,
    DataQualityError,
    DependencyError,
    EvidenceError,
    InputError,
    LockedError,
    MarketSentryError,
    NotFoundError,
)

EXIT_CODES: dict[type[MarketSentryError], int] = {
    InputError: 2,
    DataQualityError: 2,
    NotFoundError: 3,
    ConflictError: 3,
    EvidenceError: 3,
    LockedError: 3,
    DependencyError: 4,
}

JSON_HELP = "Print one JSON document on stdout; progress and logs stay on stderr."


def print_json(document: object) -> None:
    """Write one JSON document to stdout. Dataclasses, enums, dates and numpy values are understood; NaN is null."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
    sys.stdout.write(orjson.dumps(document, default=_plain, option=options).decode() + "\n")


def say(text: str) -> None:
    """Tell a person something, on stderr, so that stdout stays machine-readable."""
    typer.echo(text, err=True)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn the error tree into one line on stderr and the documented exit code; a bug keeps its traceback."""
    try:
        yield
    except MarketSentryError as error:
        say(f"error: {error}")
        raise SystemExit(exit_code(error)) from error
    except KeyboardInterrupt as interrupt:
        say("interrupted")
        raise SystemExit(130) from interrupt


def exit_code(error: MarketSentryError) -> int:
    """Return the documented exit code of an error."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def _plain(value: Any) -> Any:  # orjson hands over whatever it does not know
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
