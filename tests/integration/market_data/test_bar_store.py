"""The bar store: what is written is read back, and the manifest agrees with a scan, whatever comes in which order."""

import numpy as np
import pytest

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.coverage import coverage_of
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import ConflictError, InputError, NotFoundError

HOUR = parse_interval("1h")
START = 1_577_836_800 * 10**9  # 2020-01-01, so that series cross the yearly partitions


def series_of(hours, *, close=100.0, volume=1.0, source="binance_spot", symbol="BTC"):
    ts_ns = START + np.array(sorted(hours), dtype=np.int64) * HOUR.ns
    values = np.tile([close, close, close, close, volume], (ts_ns.size, 1))
    return BarSeries(symbol, HOUR, source, ts_ns, values)


async def test_the_manifest_agrees_with_a_scan_after_any_history(transactions):
    rng = np.random.default_rng(5)
    cells, quiet, bars = set(), set(), {}
    for step in range(25):
        block = set((rng.integers(0, 300) + np.flatnonzero(rng.random(80) < 0.6)).tolist())
        async with transactions() as stores:
            if step % 5 == 4:
                await stores.bars.add_no_trade("BTC", HOUR, series_of(block).ts_ns)
                quiet |= block - cells
                continue
            volume = float(rng.integers(0, 2))
            await stores.bars.merge(series_of(block, volume=volume))
            cells |= block
            quiet -= block
            bars.update(dict.fromkeys(block, volume))
    async with transactions() as stores:
        info = await stores.bars.series("BTC", HOUR)
        stored = await stores.bars.load("BTC", HOUR)
        no_trade = await stores.bars.load_no_trade("BTC", HOUR)
    known = coverage_of(HOUR, series_of(cells | quiet).ts_ns)
    assert stored.ts_ns.tolist() == series_of(cells).ts_ns.tolist()
    assert no_trade.tolist() == series_of(quiet).ts_ns.tolist()
    assert info.n_bars == len(cells)
    assert info.n_no_trade == len(quiet) + sum(volume == 0 for volume in bars.values())
    assert (info.first_ns, info.last_ns, info.n_missing) == (known.first_ns, known.last_ns, known.n_missing)
    assert info.gaps_ns.tolist() == known.gaps_ns.tolist()


async def test_only_what_is_new_or_different_is_written(transactions):
    async with transactions() as stores:
        first = await stores.bars.merge(series_of(range(10)))
        second = await stores.bars.merge(series_of(range(5, 15)))
        third = await stores.bars.merge(series_of(range(3), close=101.0))
    assert (first.inserted, first.updated, first.unchanged) == (10, 0, 0)
    assert (second.inserted, second.updated, second.unchanged) == (5, 0, 5)
    assert (third.inserted, third.updated, third.unchanged) == (0, 3, 0)


async def test_spans_and_knowledge_time_bound_what_is_read(transactions):
    async with transactions() as stores:
        await stores.bars.merge(series_of(range(24 * 400)))
        one = await stores.bars.load("BTC", HOUR, start_ns=START + 10 * HOUR.ns, stop_ns=START + 12 * HOUR.ns)
        known = await stores.bars.load("BTC", HOUR, as_of_ns=START + 3 * HOUR.ns)
        none = await stores.bars.load("BTC", HOUR, as_of_ns=START)
        year = await stores.bars.load("BTC", HOUR)
    assert ((one.ts_ns - START) // HOUR.ns).tolist() == [10, 11]
    assert ((known.ts_ns - START) // HOUR.ns).tolist() == [0, 1, 2]
    assert (none.ts_ns.size, year.ts_ns.size) == (0, 24 * 400)


async def test_the_last_bars_are_found_behind_gaps_and_before_the_present(transactions):
    async with transactions() as stores:
        await stores.bars.merge(series_of([*range(5), 5_000, 9_000, 9_001]))
        last = await stores.bars.last_bars("BTC", HOUR, 4)
        all_ = await stores.bars.last_bars("BTC", HOUR, 100)
        then = await stores.bars.last_bars("BTC", HOUR, 2, as_of_ns=START + 9_001 * HOUR.ns)
        never = await stores.bars.last_bars("BTC", HOUR, 2, as_of_ns=START)
        with pytest.raises(InputError, match="n_bars must be >= 1, was 0"):
            await stores.bars.last_bars("BTC", HOUR, 0)
    assert ((last.ts_ns - START) // HOUR.ns).tolist() == [4, 5_000, 9_000, 9_001]
    assert all_.ts_ns.size == 8
    assert ((then.ts_ns - START) // HOUR.ns).tolist() == [5_000, 9_000]
    assert never.ts_ns.size == 0


async def test_prices_come_back_bit_for_bit(transactions):
    rng = np.random.default_rng(1)
    low = rng.random(1000) * 1e-7 + 1e-9
    values = np.column_stack([low, low * 3, low, low * 2, rng.random(1000) * 1e12])
    series = BarSeries("DUST", HOUR, "binance_spot", START + np.arange(1000) * HOUR.ns, values)
    async with transactions() as stores:
        await stores.bars.merge(series)
    async with transactions() as stores:
        again = await stores.bars.load("DUST", HOUR)
    assert again.values.tobytes() == values.tobytes()


async def test_another_source_needs_another_name(transactions):
    async with transactions() as stores:
        await stores.bars.merge(series_of(range(3)))
        with pytest.raises(
            ConflictError, match=r"BTC 1h holds bars of binance_spot, these are of coinbase_spot"
        ):
            await stores.bars.merge(series_of(range(3), source="coinbase_spot"))


@pytest.mark.parametrize(("first", "second"), [("synthetic", "binance_spot"), ("binance_spot", "synthetic")])
@pytest.mark.parametrize("symbol", ["BTC", "BTC-PERP", "BTC-USD"])
async def test_made_up_and_recorded_bars_of_one_asset_do_not_mix(transactions, first, second, symbol):
    """Their news would: events are stored by asset, whatever the bar length or the market."""
    async with transactions() as stores:
        await stores.bars.merge(series_of(range(3), source=first))
        await stores.bars.merge(series_of(range(3), source=second, symbol="ETH"))
        daily = BarSeries(symbol, parse_interval("2h"), second, np.array([START]), np.ones((1, 5)))
        with pytest.raises(
            ConflictError, match=rf"{symbol} 2h from {second} .* BTC 1h from {first}.* MS_HOME"
        ):
            await stores.bars.merge(daily)


async def test_what_is_synthetic_is_labelled(transactions):
    async with transactions() as stores:
        await stores.bars.merge(series_of(range(3), source="synthetic"))
        (info,) = await stores.bars.all_series()
    assert info.is_synthetic


async def test_a_series_that_is_not_there_says_so(transactions):
    async with transactions() as stores:
        for ask in (
            stores.bars.load("NONE", HOUR),
            stores.bars.last_bars("NONE", HOUR, 5),
            stores.bars.add_no_trade("NONE", HOUR, np.array([START])),
        ):
            with pytest.raises(NotFoundError, match="no bars of NONE 1h"):
                await ask
        assert await stores.bars.series("NONE", HOUR) is None
        assert (await stores.bars.load_no_trade("NONE", HOUR)).size == 0


async def test_a_failed_transaction_leaves_no_bar_and_no_manifest(transactions):
    async def fail():
        async with transactions() as stores:
            await stores.bars.merge(series_of(range(5)))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await fail()
    async with transactions() as stores:
        assert await stores.bars.all_series() == ()
