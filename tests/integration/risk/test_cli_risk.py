"""`ms risk` from a shell: documents, exit codes, and what a person reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from marketsentry.adapters.embedded import Engines

MS = Path(sys.executable).with_name("ms")


@pytest.fixture
def environment(engines: Engines, database_url: str, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MS_")}
    own = {"DATABASE_URL": database_url, "REDIS_URL": engines.redis_url, "MS_HOME": str(tmp_path / "home")}
    return kept | own


def risk(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (MS, "risk", *words), env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_block_is_pulled_explained_and_reset(environment: dict[str, str]) -> None:
    free = risk(environment, "explain", "liquid", "--json")
    assert (free.returncode, json.loads(free.stdout)["can_open"]) == (0, True), free.stderr
    pulled = risk(environment, "kill", "liquid", "--minutes", "60", "--reason", "outage", "--mode", "flatten")
    assert pulled.returncode == 0, pulled.stderr
    assert "liquid:global may not open; positions can be closed" in pulled.stdout
    told = risk(environment, "explain", "liquid", "--strategy", "mine", "--target", "BTC", "--json")
    facts = json.loads(told.stdout)["facts"]
    assert told.returncode == 3
    assert [fact["code"] for fact in facts] == [
        "kill_switch_triggered:liquid:global",
        "insufficient_market_data:BTC",
    ]
    assert "`ms risk reset liquid --strategy global`" in facts[0]["clears"]
    status = json.loads(risk(environment, "status", "--json").stdout)
    assert [(one["strategy_id"], one["mode"], one["triggered"]) for one in status["switches"]] == [
        ("global", "flatten", True)
    ]
    done = risk(environment, "reset", "liquid", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "armed")
    assert "may open" in risk(environment, "explain", "liquid").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("kill", "stocks"), "track must be liquid or vc, was 'stocks'"),
        (("kill", "liquid", "--mode", "panic"), "mode must be one of no_new, reduce_only, flatten"),
        (("kill", "liquid", "--minutes", "-1"), "minutes must be 0 to 10080, was -1"),
        (("reset", "liquid", "--strategy", ""), "strategy must have 1 to 64 characters, had 0"),
    ],
)
def test_wrong_words_are_refused(environment: dict[str, str], words: tuple[str, ...], message: str) -> None:
    refused = risk(environment, *words)
    assert refused.returncode == 2
    assert message in refused.stderr
