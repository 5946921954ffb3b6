"""The door itself: what it exports, its examples, what it costs those who do not use it."""

import asyncio
import doctest
import importlib
import pkgutil
import subprocess
import sys
import threading

import pytest

import marketsentry.research as research
from marketsentry.research.loop import LoopThread

MODULES = sorted(one.name for one in pkgutil.iter_modules(research.__path__, "marketsentry.research."))


@pytest.mark.parametrize("name", ["marketsentry.research", *MODULES])
def test_the_examples_hold(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0


def test_examples_were_tried():
    finder = doctest.DocTestFinder()
    n_tried = sum(
        bool(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name))
    )
    assert n_tried >= 4


def test_every_public_name_is_there_and_explained():
    for name in research.__all__:
        assert getattr(research, name).__doc__, name


def test_nobody_pays_for_it_who_does_not_ask():
    told = (
        "import sys, marketsentry, marketsentry.cli.app; print([m for m in sys.modules if 'research' in m])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def answer(value):
    await asyncio.sleep(0)
    return value, threading.current_thread().name


def test_a_coroutine_is_waited_for_with_and_without_a_running_loop():
    with LoopThread() as loop:
        assert loop.run(answer(1)) == (1, "research")

    async def notebook():
        with LoopThread() as loop:
            return loop.run(answer(2))

    assert asyncio.run(notebook()) == (2, "research")


def test_an_error_comes_out_as_it_is_and_the_loop_goes_on():
    async def fail():
        raise ValueError("as it is")

    with LoopThread() as loop:
        with pytest.raises(ValueError, match="as it is"):
            loop.run(fail())
        assert loop.run(answer(3))[0] == 3
    loop.close()
