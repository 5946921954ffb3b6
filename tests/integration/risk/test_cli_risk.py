"""`ms risk` from a shell: documents, exit codes, and what a person reads."""

import json
from pathlib import Path

import pytest

from marketsentry.adapters.embedded import Engines
from verbs import ms, on_engines


@pytest.fixture
def environment(engines: Engines, database_url: str, tmp_path: Path) -> dict[str, str]:
    return on_engines(engines, database_url, tmp_path / "home")


def test_a_block_is_pulled_explained_and_reset(environment: dict[str, str]) -> None:
    free = ms(environment, "risk", "explain", "liquid", "--json")
    assert (free.returncode, json.loads(free.stdout)["can_open"]) == (0, True), free.stderr
    pulled = ms(
        environment, "risk", "kill", "liquid", "--minutes", "60", "--reason", "outage", "--mode", "flatten"
    )
    assert pulled.returncode == 0, pulled.stderr
    assert "liquid:global may not open; positions can be closed" in pulled.stdout
    told = ms(environment, "risk", "explain", "liquid", "--strategy", "mine", "--target", "BTC", "--json")
    facts = json.loads(told.stdout)["facts"]
    assert told.returncode == 3
    assert [fact["code"] for fact in facts] == [
        "kill_switch_triggered:liquid:global",
        "insufficient_market_data:BTC",
    ]
    assert "`ms risk reset liquid --strategy global`" in facts[0]["clears"]
    status = json.loads(ms(environment, "risk", "status", "--json").stdout)
    assert [(one["strategy_id"], one["mode"], one["triggered"]) for one in status["switches"]] == [
        ("global", "flatten", True)
    ]
    done = ms(environment, "risk", "reset", "liquid", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "armed")
    assert "may open" in ms(environment, "risk", "explain", "liquid").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("kill", "stocks"), "track must be liquid or vc, was 'stocks'"),
        (("kill", "liquid", "--mode", "panic"), "mode must be one of no_new, reduce_only, flatten"),
        (("kill", "liquid", "--minutes", "-1"), "minutes must be 0 to 10080, was -1"),
        (("reset", "liquid", "--strategy", ""), "strategy must have 1 to 64 characters, had 0"),
        (("reset", "liquid", "--reason", " "), "reason must have 1 to 256 characters, had 0"),
        (("kill", "liquid", "--reason", "x" * 257), "reason must have 1 to 256 characters, had 257"),
        (("flatten", "liquid", "--yes", "--reason", ""), "reason must have 1 to 256 characters, had 0"),
    ],
)
def test_wrong_words_are_refused(environment: dict[str, str], words: tuple[str, ...], message: str) -> None:
    refused = ms(environment, "risk", *words)
    assert refused.returncode == 2
    assert message in refused.stderr
