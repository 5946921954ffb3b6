"""`ms predict`: documents, exit codes, and what a person reads."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.ports import Transactions
from small_market import random_series
from verbs import ms, on_engines


@pytest.fixture
async def environment(
    engines: Engines, database_url: str, transactions: Transactions, tmp_path: Path
) -> dict[str, str]:
    async with transactions() as stores:
        await stores.bars.merge(random_series("BTC", seed=1, n_bars=30))
    return on_engines(engines, database_url, tmp_path / "home")


def predict(environment: dict[str, str], *words: str) -> CompletedProcess[str]:
    return ms(environment, "predict", *words)


def test_without_a_model_the_rule_answers_and_says_so(environment: dict[str, str]) -> None:
    done = predict(environment, "btc", "--as-of", "last", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["source"], told["tradeable"], told["abstained"]) == ("heuristic", False, False)
    assert (told["target"], told["horizon"], told["reason"]) == ("BTC", "1d", "model_not_registered")
    assert told["outputs"]["as_of"] == told["outputs"]["price_at"] == "2024-01-02T06:00:00Z"
    shown = predict(environment, "BTC", "--horizon", "1h", "--explain")
    assert shown.returncode == 0, shown.stderr
    for part in ("heuristic", "model_not_registered", "may trade", "no", "base", "2 others"):
        assert part in shown.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("DOGE",), 3, "there is no price of DOGE"),
        (("DOGE", "--as-of", "last"), 3, "there is no price of DOGE"),
        (("BTC", "--as-of", "2023-01-01"), 3, "there is no price of BTC"),
        (("BTC", "--model", "nobody:v1"), 3, "model nobody:v1 is not registered"),
        (("BTC", "--horizon", "4h"), 2, "horizon must be one of 1h, 1d, 7d, was 4h"),
        (("BTC", "--as-of", "yesterday"), 2, "yesterday"),
        (("no such",), 2, "symbol must be"),
    ],
)
def test_what_cannot_be_predicted_is_told(
    environment: dict[str, str], words: tuple[str, ...], code: int, said: str
) -> None:
    done = predict(environment, *words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
