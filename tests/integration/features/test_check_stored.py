"""`ms features check` on bars of the record."""

import json
from pathlib import Path

import numpy as np
import pytest

from marketsentry.core.market.records import FundingSeries
from marketsentry.exceptions import NotFoundError
from marketsentry.ports import Transactions
from marketsentry.services.feature_check import check_stored
from marketsentry.services.market_inputs import load_market
from marketsentry.services.plugins import load_feature_set
from small_market import HOUR, START_NS, random_series, without_bars
from verbs import ms, on_engines

CHECKOUT = Path(__file__).resolve().parents[3]


async def store(transactions: Transactions) -> None:
    rates = FundingSeries(
        "BTC-PERP", "binance_perp", START_NS + 8 * HOUR.ns * np.arange(100), np.linspace(-1e-4, 1e-4, 100)
    )
    async with transactions() as stores:
        await stores.bars.merge(random_series("BTC", seed=1))
        await stores.bars.merge(without_bars(random_series("ETH", seed=2), slice(500, 503)))
        await stores.events.add_funding(rates)


async def test_stored_bars_are_checked_with_their_funding(transactions: Transactions):
    await store(transactions)
    found = await check_stored(
        (),
        HOUR,
        feature_set=load_feature_set("builtin"),
        transactions=transactions,
        rng=np.random.default_rng(0),
    )
    assert found.passed
    assert (found.symbols, found.bars) == (2, 900)
    assert "funding_rate" not in found.always_missing
    assert "orderbook_imbalance" in found.always_missing


async def test_only_the_newest_bars(transactions: Transactions):
    await store(transactions)
    found = await check_stored(
        ("BTC",),
        HOUR,
        feature_set=load_feature_set(str(CHECKOUT / "examples" / "peeking_features.py")),
        transactions=transactions,
        rng=np.random.default_rng(0),
        max_bars=120,
    )
    assert found.bars == 120
    assert {leak.feature for leak in found.leaks} == {"smooth_return", "scaled_return"}


async def test_nothing_known_later_is_read(transactions: Transactions):
    await store(transactions)
    as_of_ns = START_NS + 100 * HOUR.ns
    async with transactions() as stores:
        panel, inputs = await load_market(stores, ("BTC", "ETH"), HOUR, as_of_ns=as_of_ns)
    assert panel.known_at_ns[-1] == as_of_ns
    assert inputs.funding["BTC"].known_at_ns[-1] <= as_of_ns
    assert "ETH" not in inputs.funding


async def test_without_bars_it_says_so(transactions: Transactions):
    with pytest.raises(NotFoundError, match="no bars of 1h are stored"):
        await check_stored(
            (),
            HOUR,
            feature_set=load_feature_set("builtin"),
            transactions=transactions,
            rng=np.random.default_rng(0),
        )


async def test_the_command_prints_one_document(
    transactions: Transactions, database_url: str, engines, tmp_path: Path
):
    await store(transactions)
    environment = on_engines(engines, database_url, tmp_path)
    words = ("features", "check", "--interval", "1h", "--json")
    done = ms(environment, *words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["passed"]
    assert document["features"] >= 60
    assert document["max_batch_stream_diff"] == 0.0
    assert document["leaks"] == []
    peeking = ms(environment, *words, "--features", CHECKOUT / "examples" / "peeking_features.py")
    assert peeking.returncode == 2
    assert len(json.loads(peeking.stdout)["leaks"]) == 2
