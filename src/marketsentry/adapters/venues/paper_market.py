"""The market that the paper venue trades in: the newest known price, with volume and volatility of the newest bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import numpy as np

from marketsentry.core.orders.market_look import MarketLook
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.paper import KnownMarket

_N_BARS = 97


@dataclass(frozen=True, slots=True)
class Seen:
    """A price in quote currency > 0, and when it was that of the market."""

    mid: Decimal
    at: datetime


class PaperMarket(Protocol):
    """Tells the market of a symbol. What is given `stores` reads in their transaction and opens none."""

    async def look(self, symbol: str, *, at: datetime) -> MarketLook | None:
        """Tell the market as it was known at a time; None where nothing, or nothing fresh enough, was known."""
        ...

    async def look_within(self, stores: Stores, symbol: str, *, at: datetime) -> MarketLook | None:
        """Tell the same inside an open transaction."""
        ...

    async def price_within(self, stores: Stores, symbol: str, *, at: datetime) -> Seen | None:
        """Tell the price alone inside an open transaction."""
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
        async with self._transactions() as stores:
            return await self.look_within(stores, symbol, at=at)

    async def look_within(self, stores: Stores, symbol: str, *, at: datetime) -> MarketLook | None:
        """Tell the same inside an open transaction."""
        found = await stores.paper.market(symbol, as_of=at, since=at - self._max_age, n_bars=_N_BARS)
        if found is None:
            return None
        volume, volatility = _bar_facts(found)
        return MarketLook(symbol, Decimal(repr(found.price)), found.at, volume, volatility)

    async def price_within(self, stores: Stores, symbol: str, *, at: datetime) -> Seen | None:
        """Tell the price alone inside an open transaction."""
        found = await stores.paper.price(symbol, as_of=at, since=at - self._max_age)
        return None if found is None else Seen(Decimal(repr(found.price)), found.at)

    async def symbols(self) -> Sequence[str]:
        """List what has a price; see `PaperMarket.symbols`."""
        async with self._transactions() as stores:
            return await stores.paper.priced_symbols()


def _bar_facts(known: KnownMarket) -> tuple[float | None, float | None]:
    """Volume of the newest bar, and the deviation of returns."""
    if known.closes.size < 2:
        return None, None
    returns = known.closes[1:] / known.closes[:-1] - 1.0
    return known.volume, float(np.std(returns))
