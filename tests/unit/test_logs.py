"""Logs are one event per line on stderr, ours and those of libraries alike."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from marketsentry.logs import set_up_logs
from marketsentry.settings import Settings


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines_carry_event_fields_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings())
    structlog.get_logger("mine").info("run_stored", run_id=7)
    logging.getLogger("library").warning("took %s", "long")
    captured = capsys.readouterr()
    ours, theirs = (json.loads(line) for line in captured.err.splitlines())
    assert captured.out == ""
    assert (ours["event"], ours["run_id"], ours["level"], ours["logger"]) == ("run_stored", 7, "info", "mine")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"]) == ("took long", "warning")


def test_an_exception_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings())
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("mine").exception("step_failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["exception"][0]["exc_value"] == "broken"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_tells_no_local_variables(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """They may hold keys, and to write down all of a request's takes seconds in which nothing else runs."""
    set_up_logs(Settings(log_format=log_format))
    key = "-".join(("not", "for", "logs"))
    try:
        raise ValueError(f"a key of {len(key)}")
    except ValueError:
        structlog.get_logger("mine").exception("step_failed")
    written = capsys.readouterr().err
    assert "a key of 12" in written
    assert key not in written


def test_the_level_is_a_floor(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings(log_level="WARNING", log_format="console"))
    structlog.get_logger("mine").info("quiet")
    structlog.get_logger("mine").warning("loud", n=3)
    err = capsys.readouterr().err
    assert "quiet" not in err
    assert "loud" in err
    assert "n=3" in err
