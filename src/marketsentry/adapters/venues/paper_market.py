"""The market that the paper venue trades in: the newest known price, with volume and volatility of the newest bars."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import numpy as np

from marketsentry.core.market.bars import CLOSE, VOLUME
from marketsentry.core.market.records import SeriesInfo
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.core.orders.market_look import MarketLook
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.together import together

_N_BARS = 97


class PaperMarket(Protocol):
    """Tells the market of a symbol."""

    async def look(self, symbol: str, *, at: datetime) -> MarketLook | None:
        """Tell the market as it was known at a time; None where nothing, or nothing fresh enough, was known."""
        ...

    async def symbols(self) -> Sequence[str]:
        """List what can be traded."""
        ...


class RecordedMarket:
    """The market as the record knows it.

    Parameters
    ----------
    transactions
        The record.
    max_age
        An older price is none.
    """

    def __init__(self, transactions: Transactions, *, max_age: timedelta) -> None:
        self._transactions, self._max_age = transactions, max_age

    async def look(self, symbol: str, *, at: datetime) -> MarketLook | None:
        """Tell the market as it was known at a time; see `PaperMarket.look`."""
        at_ns = datetime_to_ns(at)
        async with self._transactions() as stores:
            price, shortest = await together(
                stores.predictions.newest_price(symbol, as_of_ns=at_ns), stores.bars.shortest_of(symbol)
            )
            if price is None or at - ns_to_datetime(price.at_ns) > self._max_age:
                return None
            volume, volatility = await _bar_facts(stores, symbol, shortest, at_ns)
        return MarketLook(symbol, Decimal(repr(price.value)), ns_to_datetime(price.at_ns), volume, volatility)

    async def symbols(self) -> Sequence[str]:
        """List what has a price; see `PaperMarket.symbols`."""
        async with self._transactions() as stores:
            return await stores.paper.priced_symbols()


async def _bar_facts(
    stores: Stores, symbol: str, series: SeriesInfo | None, at_ns: int
) -> tuple[float | None, float | None]:
    """Volume of the newest bar, and the deviation of returns."""
    if series is None:
        return None, None
    bars = await stores.bars.last_bars(symbol, series.interval, _N_BARS, as_of_ns=at_ns, info=series)
    if bars.ts_ns.size < 2:
        return None, None
    closes = bars.values[:, CLOSE]
    returns = closes[1:] / closes[:-1] - 1.0
    return float(bars.values[-1, VOLUME]), float(np.std(returns))
