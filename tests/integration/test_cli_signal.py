"""`ms signal` and `ms rebalance`: documents, exit codes, and what a person reads."""

import asyncio
import json
from pathlib import Path

import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import open_system
from marketsentry.ports import Transactions
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.risk_switch import ManualTrigger, trigger_switch
from marketsentry.settings import Settings
from programs import CHECKOUT
from small_market import random_series
from verbs import ms, on_engines

EXAMPLE = CHECKOUT / "examples" / "signals.json"


@pytest.fixture
async def environment(
    engines: Engines, database_url: str, transactions: Transactions, tmp_path: Path
) -> dict[str, str]:
    async with transactions() as stores:
        await stores.bars.merge(random_series("BTC", seed=1, n_bars=30))
    return on_engines(engines, database_url, tmp_path / "home")


def test_a_signal_says_what_it_is_and_why(environment: dict[str, str]) -> None:
    done = ms(environment, "signal", "btc", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["action"], told["target"], told["horizon"]) == ("hold", "BTC", "1d")
    assert told["metadata"]["hold_reason"] == "untradeable"
    shown = ms(environment, "signal", "Acme Robotics", "--track", "vc")
    assert shown.returncode == 0, shown.stderr
    for part in ("hold ACME ROBOTICS over 1d", "why=experimental_track", "event", "signal "):
        assert part in shown.stdout


def test_a_rebalance_is_stored_and_shown(environment: dict[str, str]) -> None:
    done = ms(environment, "rebalance", "--file", EXAMPLE, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {one["target"]: one["weight"] for one in told["target_positions"]} == {
        "BTC": 0.180706,
        "ETH": -0.059294,
    }
    assert told["risk_violations"] == ["bucket_exposure_exceeded:event"]
    shown = ms(environment, "rebalance", "--file", EXAMPLE)
    assert shown.returncode == 0, shown.stderr
    for part in ("+0.180706", "13070.59", "unpriced", "simulated", "clipped", "turnover 0.190000"):
        assert part in shown.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("signal", "DOGE"), 3, "there is no price of DOGE"),
        (("signal", "BTC", "--horizon", "4h"), 2, "horizon: "),
        (("signal", "BTC", "--min-confidence", "2"), 2, "min_confidence: "),
        (("signal", "BTC", "--cost-profile", "own"), 2, "cost_profile must be one of"),
        (("rebalance", "--file", "words.json"), 2, "Invalid JSON"),
        (("rebalance", "--file", "bytes.json"), 2, "must be UTF-8 text"),
        (("rebalance", "--file", "empty.json"), 2, "signals cannot be empty"),
        (("rebalance", "--file", "holds.json"), 2, "no actionable signals"),
        (("rebalance", "--file", "nan.json"), 2, "signals.0.score"),
    ],
)
def test_what_cannot_be_done_is_told(
    environment: dict[str, str], tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    line = '{"target": "BTC", "track": "liquid", "action": "%s", "score": %s, "confidence": 0.5}'
    for name, text in {
        "words.json": "buy everything",
        "empty.json": '{"signals": []}',
        "holds.json": '{"signals": [%s]}' % (line % ("hold", "0.1")),
        "nan.json": '{"signals": [%s]}' % (line % ("buy", "NaN")),
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    done = ms(environment, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_kill_switch_blocks(environment: dict[str, str], settings: Settings) -> None:
    async def pull() -> None:
        async with open_system(settings) as system:
            await trigger_switch(
                ManualTrigger("liquid"), by=ChangedBy("test"), transactions=system.transactions
            )

    asyncio.run(pull())
    for words in (("signal", "BTC"), ("rebalance", "--file", EXAMPLE)):
        done = ms(environment, *words)
        assert (done.returncode, done.stdout) == (3, "")
        assert "kill_switch_triggered:liquid:global" in done.stderr
