"""Coarser series of stored finer ones."""

import numpy as np
import pytest

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.resample import resample_bars
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.services.resample import resample_series

ONE, FIVE = parse_interval("1m"), parse_interval("5m")
START = 1_704_067_200 * 10**9


def minutes(cells):
    ts_ns = START + np.array(sorted(cells), dtype=np.int64) * ONE.ns
    low = 100 + ts_ns // ONE.ns % 7
    values = np.column_stack([low + 1, low + 3, low, low + 2, np.ones(ts_ns.size)]).astype(np.float64)
    return BarSeries("BTC", ONE, "binance_spot", ts_ns, values)


async def test_pieces_give_what_the_whole_would_and_a_second_run_writes_nothing(transactions):
    cells = set(range(1, 260_013)) - {700, 250_001}
    async with transactions() as stores:
        await stores.bars.merge(minutes(cells))
    shares = []
    first = await resample_series("BTC", ONE, FIVE, transactions=transactions, on_progress=shares.append)
    again = await resample_series("BTC", ONE, FIVE, transactions=transactions)
    whole = resample_bars(minutes(cells), FIVE)
    async with transactions() as stores:
        stored = await stores.bars.load("BTC", FIVE)
    assert stored.ts_ns.tolist() == whole.ts_ns.tolist()
    assert stored.values.tobytes() == whole.values.tobytes()
    assert stored.source == "binance_spot"
    assert (first.rows, first.inserted) == (len(cells), whole.ts_ns.size)
    assert (again.inserted, again.updated, again.unchanged) == (0, 0, whole.ts_ns.size)
    assert shares[-1] == 1.0


async def test_five_quiet_minutes_become_a_quiet_cell(transactions):
    async with transactions() as stores:
        await stores.bars.merge(minutes(set(range(20)) - set(range(5, 12))))
        await stores.bars.add_no_trade("BTC", ONE, minutes(range(5, 12)).ts_ns)
    made = await resample_series("BTC", ONE, FIVE, transactions=transactions)
    async with transactions() as stores:
        info = await stores.bars.series("BTC", FIVE)
    assert (made.inserted, made.no_trade) == (3, 1)
    assert (info.n_bars, info.n_missing, info.n_no_trade) == (3, 0, 1)


async def test_there_must_be_finer_bars_and_a_longer_interval(transactions):
    with pytest.raises(NotFoundError, match="no bars of BTC 1m"):
        await resample_series("BTC", ONE, FIVE, transactions=transactions)
    with pytest.raises(InputError, match="must be longer than 1m, was 1m"):
        await resample_series("BTC", ONE, ONE, transactions=transactions)
