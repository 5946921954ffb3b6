"""Progress goes to a terminal only, and only when it takes long."""

import io
import sys

import pytest

from marketsentry.cli.progress import steps_on_stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_the_steps(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with steps_on_stderr(show_after_s=0.0) as report:
        report("reading", 0.5)
        report("writing", 0.1)
        report("reading", 1.0)
    assert "reading" in terminal.getvalue()
    assert "writing" in terminal.getvalue()


def test_what_is_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with steps_on_stderr(show_after_s=60.0) as report:
        report("reading", 1.0)
    assert terminal.getvalue().strip() == ""


def test_a_pipe_stays_clean(monkeypatch: pytest.MonkeyPatch):
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with steps_on_stderr(show_after_s=0.0) as report:
        report("reading", 1.0)
    assert pipe.getvalue() == ""
