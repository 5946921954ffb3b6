"""A past for a market that starts now: candles of a seeded walk that ends where the market begins."""

import itertools
import random
from collections.abc import Iterator, Sequence

from marketsentry.simexchange.candles import Candle, Listing
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.trade_candles import LENGTHS_S

_MINUTE_S = 60
_STEPS = 4  # prices within a minute
_STEP_BPS = 2.0
_MINUTE_QUOTE = 500_000.0  # what others traded in a minute


def past_of(product: Product, price: float, *, hours: int, now_s: float, seed: int) -> Listing:
    """List a product with candles of its past.

    Parameters
    ----------
    product : Product
        What is listed.
    price : float
        At which the past ends, quote currency.
    hours : int
        How long it is.
    now_s : float
        Seconds since the epoch; the last candle of each length has closed by then.
    seed : int
        Of the walk.

    Returns
    -------
    Listing
        Whole candles of all lengths.
    """
    minutes = list(_minutes(price, n=hours * 60, stop_s=int(now_s) // _MINUTE_S * _MINUTE_S, seed=seed))
    made = {length: _joined(minutes, length, now_s) for length in LENGTHS_S}
    return Listing(product.base, product.quote, made, is_perpetual=product.is_perpetual)


def _minutes(price: float, *, n: int, stop_s: int, seed: int) -> Iterator[Candle]:
    rng = random.Random(seed)
    walk = [price]
    for _ in range(n * _STEPS):
        walk.append(walk[-1] * (1 + rng.gauss(0.0, _STEP_BPS / 10_000)))
    walk.reverse()
    for index in range(n):
        part = walk[index * _STEPS : (index + 1) * _STEPS + 1]
        volume = _MINUTE_QUOTE * rng.uniform(0.5, 1.5) / part[-1]
        start_s = stop_s - (n - index) * _MINUTE_S
        yield Candle(start_s * 1_000, part[0], max(part), min(part), part[-1], volume)


def _joined(minutes: Sequence[Candle], length_s: int, now_s: float) -> list[Candle]:
    """Join minutes into longer candles, the whole ones alone."""
    found = []
    for start_s, group in itertools.groupby(
        minutes, key=lambda one: one.start_ms // 1_000 // length_s * length_s
    ):
        rows = list(group)
        if len(rows) * _MINUTE_S == length_s and start_s + length_s <= now_s:
            high, low = max(one.high for one in rows), min(one.low for one in rows)
            volume = sum(one.volume for one in rows)
            found.append(Candle(start_s * 1_000, rows[0].open, high, low, rows[-1].close, volume))
    return found
