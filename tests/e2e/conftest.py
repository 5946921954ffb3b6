"""What the tests of the running program share: one home in which the demo has run."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from programs import ms

ONE_BY_ONE = ("test_examples_in_help.py", "test_howto_scripts.py")
DEMO = ("demo", "--once", "--days", "120", "--interval", "15m")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Keep a file on one worker, for its tests share what they set up; some files share next to nothing."""
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file.endswith(ONE_BY_ONE) else file


@dataclass(frozen=True)
class DemoHome:
    """A data directory after a demo: the document it printed, what a person saw, and how long it took."""

    home: Path
    document: dict[str, Any]
    shown: str
    seconds: float


def run_demo(home: Path, *words: str | Path) -> DemoHome:
    started = time.monotonic()
    done = ms(home, *words, "--json")
    assert done.returncode == 0, done.stderr
    return DemoHome(home, json.loads(done.stdout), done.stderr, time.monotonic() - started)


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> DemoHome:
    """The demo on a market of half an hour's work for a person and ten seconds for the program."""
    return run_demo(tmp_path_factory.mktemp("demo") / "my home", *DEMO)
