"""Synthetic markets in a real record: labelled, repeatable, never mixed with recorded data."""

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest

from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.services.synth import SynthOutcome, SynthRequest, synthesise

M5 = parse_interval("5m")
REQUEST = SynthRequest(seed=3, symbols=("BTC", "ETH"), interval=M5, n_bars=3_000)


class FixedClock:
    def now(self):
        return datetime(2025, 1, 1, tzinfo=UTC)


async def make(transactions, request=REQUEST, **options):
    return await synthesise(request, transactions=transactions, clock=FixedClock(), **options)


async def contents(transactions, symbol="BTC"):
    async with transactions() as stores:
        bars = await stores.bars.load(symbol, M5)
        events = await stores.events.load_events(symbol)
        funding = await stores.events.load_funding(f"{symbol}-PERP")
    return bars.values.tobytes(), events.known_at_ns.tolist(), funding.rate.tolist()


async def test_what_is_stored_is_the_market_and_says_that_it_is_synthetic(transactions):
    report = await make(transactions)
    assert [one.outcome for one in report.series] == [SynthOutcome.MADE] * 2
    market = make_market(seed=3, symbols=("BTC", "ETH"), interval=M5, n_bars=3_000)
    async with transactions() as stores:
        for info in await stores.bars.all_series():
            assert info.is_synthetic
            assert (info.source, info.n_bars, info.n_missing) == ("synthetic", 3_000, 0)
        for series, funding in zip(market.series, market.funding, strict=True):
            stored = await stores.bars.load(series.symbol, M5)
            np.testing.assert_array_equal(stored.values, series.values)
            rates = await stores.events.load_funding(funding.symbol)
            assert rates.source == "synthetic"
            np.testing.assert_array_equal(rates.rate, funding.rate)
            events = await stores.events.load_events(series.symbol)
            known = sorted(e.known_at_ns for e in market.events if e.symbol == series.symbol)
            assert events.known_at_ns.tolist() == known


async def test_the_same_request_again_changes_nothing(transactions):
    await make(transactions)
    before = await contents(transactions)
    report = await make(transactions)
    assert {one.outcome for one in report.series} == {SynthOutcome.UNCHANGED}
    assert await contents(transactions) == before


async def test_more_bars_extend_the_market_to_what_it_would_have_been(transactions):
    await make(transactions, dataclasses.replace(REQUEST, n_bars=1_234))
    report = await make(transactions)
    assert {one.outcome for one in report.series} == {SynthOutcome.EXTENDED}
    extended = await contents(transactions)
    await make(transactions, dataclasses.replace(REQUEST, seed=4), replace=True)
    assert await contents(transactions) != extended
    await make(transactions, replace=True)
    assert await contents(transactions) == extended
    shorter = await make(transactions, dataclasses.replace(REQUEST, n_bars=10))
    assert {one.outcome for one in shorter.series} == {SynthOutcome.UNCHANGED}


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"signal_strength": 0.5}, {"interval": parse_interval("1h"), "n_bars": 100}]
)
async def test_another_recipe_is_refused_and_names_both(transactions, change):
    await make(transactions)
    before = await contents(transactions)
    other = dataclasses.replace(REQUEST, **change)
    with pytest.raises(ConflictError) as raised:
        await make(transactions, other)
    assert REQUEST.recipe in str(raised.value)
    assert other.recipe in str(raised.value)
    assert await contents(transactions) == before


async def test_replace_leaves_nothing_of_the_old_market(transactions):
    await make(transactions)
    await make(transactions, dataclasses.replace(REQUEST, symbols=("ETH",)))
    shorter = dataclasses.replace(REQUEST, seed=4, symbols=("BTC",), n_bars=500)
    report = await make(transactions, shorter, replace=True)
    assert report.series[0].outcome is SynthOutcome.REPLACED
    fresh = make_market(seed=4, symbols=("BTC",), interval=M5, n_bars=500)
    values, known, rates = await contents(transactions)
    assert values == fresh.series[0].values.tobytes()
    assert known == sorted(e.known_at_ns for e in fresh.events)
    assert rates == fresh.funding[0].rate.tolist()
    async with transactions() as stores:
        assert (await stores.bars.series("ETH", M5)).n_bars == 3_000


@pytest.mark.parametrize("replace", [False, True])
async def test_recorded_bars_of_the_symbol_are_never_mixed_or_deleted(transactions, replace):
    recorded = make_market(seed=1, symbols=("BTC",), interval=parse_interval("1h"), n_bars=50).series[0]
    async with transactions() as stores:
        await stores.bars.merge(dataclasses.replace(recorded, source="binance_spot"))
    with pytest.raises(ConflictError, match=r"BTC has recorded bars \(1h of binance_spot\).*SYN-BTC"):
        await make(transactions, replace=replace)
    async with transactions() as stores:
        (only,) = await stores.bars.all_series()
    assert only.source == "binance_spot"


async def test_a_market_of_the_future_is_refused(transactions):
    with pytest.raises(InputError, match=r"must not end in the future, would end at 2025-"):
        await make(transactions, dataclasses.replace(REQUEST, n_bars=200_000))
