"""Make a coarser bar series of a stored finer one."""

from collections.abc import Callable
from dataclasses import dataclass

from marketsentry.core.market.interval import Interval
from marketsentry.core.market.resample import resample_bars, resample_no_trade
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.ports import Transactions
from marketsentry.ports.bars import MergeCounts

_PIECE_BARS = 250_000


@dataclass(frozen=True, slots=True)
class ResampleReport:
    """What became of one series: finer bars read; coarser bars new, changed, there already."""

    symbol: str
    source: str
    interval: str
    made_interval: str
    rows: int
    inserted: int
    updated: int
    unchanged: int
    no_trade: int


async def resample_series(
    symbol: str,
    interval: Interval,
    to: Interval,
    *,
    transactions: Transactions,
    on_progress: Callable[[float], None] | None = None,
) -> ResampleReport:
    """Store bars of interval `to` made of the bars of `interval`, piece by piece, in one transaction.

    Parameters
    ----------
    symbol : str
        Canonical symbol.
    interval : Interval
        Of the bars there are.
    to : Interval
        Of the bars to make; a multiple of `interval`.
    transactions : Transactions
        On the record.
    on_progress : callable, optional
        Called with the done share 0..1.

    Returns
    -------
    ResampleReport
        The made series keeps the source of the finer one.

    Raises
    ------
    NotFoundError
        If there are no such bars.
    InputError
        If `to` is not a longer multiple of `interval`.
    ConflictError
        If the coarser series holds bars of another source.
    """
    n_parts = interval.bars_in(to)
    if n_parts < 2:
        raise InputError(f"the made interval must be longer than {interval}, was {to}")
    rows = no_trade = 0
    counts = MergeCounts()
    async with transactions() as stores:
        info = await stores.bars.series(symbol, interval)
        if info is None:
            raise NotFoundError(f"there are no bars of {symbol} {interval}; see `ms data list`")
        span = max(1, _PIECE_BARS // n_parts) * to.ns
        first, end = info.first_ns // to.ns * to.ns, info.last_ns + interval.ns
        for start in range(first, end, span):
            stop = start + span
            bars = await stores.bars.load(symbol, interval, start_ns=start, stop_ns=stop)
            quiet = await stores.bars.load_no_trade(symbol, interval, start_ns=start, stop_ns=stop)
            counts += await stores.bars.merge(resample_bars(bars, to, no_trade_ts_ns=quiet))
            rows += bars.ts_ns.size
            if quiet.size and await stores.bars.series(symbol, to):
                cells = resample_no_trade(quiet, interval, to)
                no_trade += await stores.bars.add_no_trade(symbol, to, cells)
            if on_progress is not None:
                on_progress(min(1.0, (stop - first) / (end - first)))
    return ResampleReport(
        symbol,
        info.source,
        str(interval),
        str(to),
        rows,
        counts.inserted,
        counts.updated,
        counts.unchanged,
        no_trade,
    )
