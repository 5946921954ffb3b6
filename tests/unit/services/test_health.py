"""A dependency is connected when it answers in time, and only then."""

import asyncio

import pytest

from marketsentry.exceptions import DependencyError
from marketsentry.services.health import probe


async def _answer() -> None:
    return None


async def _refuse() -> None:
    raise DependencyError("connection refused")


async def _hang() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("broken", "missing"), [(_refuse, ["redis"]), (_hang, ["redis"]), (_answer, [])])
async def test_what_does_not_answer_is_missing(broken, missing: list[str]) -> None:
    assert (await probe(_answer, broken, timeout_s=0.05)).missing == missing


async def test_both_are_asked_at_once() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    found = await probe(_hang, _hang, timeout_s=0.2)
    assert found.missing == ["postgres", "redis"]
    assert loop.time() - started < 0.39


async def test_a_bug_in_a_probe_is_not_an_outage() -> None:
    async def bug() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await probe(_answer, bug)
