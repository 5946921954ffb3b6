"""Tell where a test hangs before its time limit ends it: the stacks of its threads, and what its tasks wait for.

Of a worker that is ended no more than the name of the test would be left.
"""

import asyncio
import faulthandler
import gc
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

BEFORE_S = 5.0  # the limit
_timers: dict[str, threading.Timer] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    """Set a timer of our own; that of the plugin goes on beside it."""
    timer = threading.Timer(max(settings.timeout - BEFORE_S, 0.5), _tell, (item,))
    timer.daemon = True
    _timers[item.nodeid] = timer
    timer.start()


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> None:
    """Call it off: the test has ended."""
    if (timer := _timers.pop(item.nodeid, None)) is not None:
        timer.cancel()


def _tell(item: pytest.Item) -> None:
    assert sys.__stderr__ is not None
    capture = item.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.__stderr__.write(f"\n=== {item.nodeid} hangs\n")
        faulthandler.dump_traceback(sys.__stderr__)
        for task in [one for one in gc.get_objects() if isinstance(one, asyncio.Task) and not one.done()]:
            sys.__stderr__.write(f"--- {task.get_name()} waits\n")
            for frame in _frames(task.get_coro()):
                traceback.print_stack(frame, limit=1, file=sys.__stderr__)


def _frames(awaited: Any) -> Iterator[FrameType]:
    """What is awaited, from the task inwards."""
    while awaited is not None:
        for kind in ("cr", "ag", "gi"):
            if (frame := getattr(awaited, f"{kind}_frame", None)) is not None:
                yield frame
                awaited = getattr(awaited, f"{kind}_await" if kind != "gi" else "gi_yieldfrom", None)
                break
        else:
            return
