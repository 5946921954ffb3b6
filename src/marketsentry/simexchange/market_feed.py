"""What moves prices: a market maker that keeps a book around a path, and takers that trade with it."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.simexchange.orders import Side
from marketsentry.simexchange.venue import Venue

HALF_BPS_PER_UNIT = 20_000


@dataclass(frozen=True, slots=True)
class BookShape:
    """The book that the maker keeps: `n_levels` a side, `spread_bps` wide, `level_quote` worth of quantity a level.

    `crowd_frac` is the part of the best level, on average, that other traders take in a step.
    """

    n_levels: int = 10
    spread_bps: float = 2.0
    step_bps: float = 1.0
    level_quote: float = 25_000.0
    crowd_frac: float = 0.2


def random_walk(start: float, *, seed: int, volatility_bps: float = 2.0) -> Iterator[float]:
    """Prices without end: each differs from the last by a normal number of basis points."""
    rng = random.Random(seed)
    price = start
    while True:
        yield price
        price *= 1 + rng.gauss(0.0, volatility_bps / 10_000)


def replay(candles: Iterable[tuple[float, float, float, float]]) -> Iterator[float]:
    """Prices of recorded (open, high, low, close) candles: the end that is nearer to the open comes first."""
    for opened, high, low, close in candles:
        ends = (low, high) if opened - low < high - opened else (high, low)
        yield from (opened, *ends, close)


class MarketFeed:
    """Keeps one product's book around a path of middle prices; when the path ends the price stays."""

    def __init__(
        self,
        venue: Venue,
        product: str,
        path: Iterable[float],
        *,
        shape: BookShape | None = None,
        seed: int = 0,
    ) -> None:
        self._venue = venue
        self._product = venue.products[product]
        self._path = iter(path)
        self._shape = shape or BookShape()
        self._rng = random.Random(seed)
        self._quotes: Sequence[str] = ()
        self.mid = 0.0

    def step(self) -> None:
        """Move to the next price of the path, quote around it, and let others trade."""
        self.quote_around(next(self._path, self.mid))
        self._crowd()

    def move_to(self, mid: float) -> None:
        """Jump to a price and go on from there, with what is left of the path shifted to it."""
        rest, first = self._path, next(self._path, None)
        if first:
            factor = mid / first
            self._path = itertools.chain((mid,), (price * factor for price in rest))
        self.quote_around(mid)

    def quote_around(self, mid: float) -> None:
        """Replace all quotes by a fresh book around a middle price."""
        self.mid = mid
        self._quotes = self._venue.house_quote(self._product.key, self._book(mid), self._quotes)

    def thin_out(self, side: Side, quantity: Decimal) -> None:
        """Let somebody else take what a taker of `side` would get beyond a quantity."""
        book = self._venue.books[self._product.key]
        beyond = book.available(side, "", None) - quantity
        if beyond <= 0:
            return
        prices = [price for price, _ in book.depth(side.opposite)]
        self._venue.house_take(self._product.key, side, beyond, prices[-1])

    def _book(self, mid: float) -> list[tuple[Side, Decimal, Decimal]]:
        shape, tick = self._shape, self._product.tick
        half = mid * shape.spread_bps / HALF_BPS_PER_UNIT
        quotes: list[tuple[Side, Decimal, Decimal]] = []
        for side in Side:
            last = Decimal(0)
            for level in range(shape.n_levels):
                away = half + level * mid * shape.step_bps / 10_000
                steps = int((mid - side.sign * away) / float(tick)) + (side is Side.SELL)
                price = steps * tick
                if last and side.sign * (last - price) < tick:
                    price = last - side.sign * tick
                quantity = shape.level_quote * self._rng.uniform(0.5, 1.5) / mid
                if price > 0:
                    quotes.append((side, price, max(self._to_lot(quantity), self._product.lot)))
                last = price
        return quotes

    def _crowd(self) -> None:
        side = self._rng.choice(tuple(Side))
        front = self._venue.books[self._product.key].front(side)
        if front is None:
            return
        share = self._rng.uniform(0.0, 2 * self._shape.crowd_frac)
        quantity = self._to_lot(float(front.quantity) * share)
        if quantity > 0:
            self._venue.house_take(self._product.key, side, quantity, front.price)

    def _to_lot(self, quantity: float) -> Decimal:
        return self._product.down_to_lot(Decimal(repr(quantity)))
