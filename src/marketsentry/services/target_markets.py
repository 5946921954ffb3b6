"""What the record knows of the targets of a rebalance: the newest price, and how each traded lately."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import CLOSE, VOLUME
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import SeriesInfo
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.risk.positions import LIQUID
from marketsentry.ports import Stores

LIQUIDITY_BARS = 97


def _nothing() -> NDArray[np.float64]:
    return np.empty(0)


@dataclass(frozen=True, slots=True)
class TargetMarket:
    """Newest price in quote currency with its time, None without one; closes and volumes (T,) of the newest bars."""

    price: Decimal | None = None
    price_at: datetime | None = None
    close: NDArray[np.float64] = field(default_factory=_nothing)
    volume: NDArray[np.float64] = field(default_factory=_nothing)


async def read_markets(
    stores: Stores, targets: Sequence[tuple[str, str]], *, as_of_ns: int
) -> Mapping[tuple[str, str], TargetMarket]:
    """Read the markets of liquid targets; a company has none.

    Parameters
    ----------
    stores
        Of an open transaction.
    targets
        Track and target.
    as_of_ns
        Nothing known later is read, UTC epoch ns.

    Returns
    -------
    mapping
        By track and target, for those that have a price.
    """
    liquid = [key for key in targets if key[0] == LIQUID]
    intervals = _newest(await stores.bars.all_series()) if liquid else {}
    found = {}
    for key in liquid:
        price = await stores.predictions.newest_price(key[1], as_of_ns=as_of_ns)
        if price is None:
            continue
        told = TargetMarket(Decimal(repr(price.value)), ns_to_datetime(price.at_ns))
        if key[1] in intervals:
            bars = await stores.bars.last_bars(key[1], intervals[key[1]], LIQUIDITY_BARS, as_of_ns=as_of_ns)
            told = TargetMarket(told.price, told.price_at, bars.values[:, CLOSE], bars.values[:, VOLUME])
        found[key] = told
    return found


def _newest(series: Sequence[SeriesInfo]) -> dict[str, Interval]:
    """Choose the interval of each symbol whose last bar ended last; of equal ones the shortest."""
    ordered = sorted(series, key=lambda one: (one.last_ns + one.interval.ns, -one.interval.ns))
    return {one.symbol: one.interval for one in ordered}
