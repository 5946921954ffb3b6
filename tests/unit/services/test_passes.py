"""A loop that watches outlives whatever one of its passes raises, and does not keep that to itself."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from marketsentry.exceptions import ConflictError, DependencyError
from marketsentry.ports.risk import Severity
from marketsentry.services.passes import beside, keep_passing


class Record:
    """Keeps the events that it is given, or is away."""

    def __init__(self):
        self.events, self.is_away, self.risk = [], False, self

    @asynccontextmanager
    async def transactions(self):
        if self.is_away:
            raise DependencyError("no connection")
        yield self

    async def add_events(self, events):
        self.events += events


async def passed(record, outcomes):
    """Run passes that raise in turn what they are given, None for nothing; returns the log."""
    stop, left = asyncio.Event(), list(outcomes)

    async def once():
        outcome = left.pop(0)
        if not left:
            stop.set()
        if outcome is not None:
            raise outcome

    with capture_logs() as logs:
        await keep_passing(once, name="watch", every_s=0.0, stop=stop, transactions=record.transactions)
    assert not left
    return [(one["event"], one["log_level"]) for one in logs]


@pytest.mark.parametrize("error", [ValueError("bug"), ConflictError("state"), TimeoutError()])
async def test_what_time_does_not_mend_is_a_critical_event_once(error):
    record = Record()
    logs = await passed(record, [error, error, None, error, None])
    assert logs == [("watch_failed", "error")]
    assert [(one.code, one.severity) for one in record.events] == [("watch_failed", Severity.CRITICAL)]


async def test_an_outage_is_logged_once():
    record = Record()
    away, slow = DependencyError("away"), DependencyError("slow")
    logs = await passed(record, [away, away, slow, None, slow])
    assert logs == [("watch_failed", "warning")] * 2
    assert record.events == []


async def test_a_record_that_is_away_does_not_end_it_either():
    record = Record()
    record.is_away = True
    assert await passed(record, [ValueError("bug"), None]) == [("watch_failed", "error")]


async def until(event):
    await event.wait()


@pytest.mark.parametrize("error", [ValueError("bug"), ConflictError("state"), None])
async def test_a_loop_that_ends_by_itself_ends_what_it_stands_beside(error):
    async def ends():
        if error is not None:
            raise error

    stop, other = asyncio.Event(), asyncio.Event()
    with pytest.raises(RuntimeError, match="must not end") as raised:
        await beside(until(other), [until(stop), ends()], stop=stop)
    assert raised.value.__cause__ is error


async def test_work_that_ends_ends_the_loops():
    stop, never = asyncio.Event(), asyncio.Event()

    async def work():
        return 7

    assert await beside(work(), [until(never)], stop=stop) == 7
    with pytest.raises(ZeroDivisionError):
        await beside(divide(), [until(never)], stop=stop)


async def divide():
    return 1 // 0


async def test_when_it_is_stopped_loops_may_end_first():
    stop, done = asyncio.Event(), asyncio.Event()
    stop.set()
    asyncio.get_running_loop().call_later(0.01, done.set)
    await beside(until(done), [until(stop)], stop=stop)
    assert done.is_set()
