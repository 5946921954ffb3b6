"""Candles of what really traded at the venue, of the same trades that its streams tell, behind a past that was made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from marketsentry.simexchange.candles import Candle, Listing
from marketsentry.simexchange.orders import Trade
from marketsentry.simexchange.products import Product
from marketsentry.simexchange.venue import Event, Venue

LENGTHS_S = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 86_400)
_KEPT = 5_000


class TradeCandles(Mapping[int, Sequence[Candle]]):
    """Candles of one product by length in seconds, oldest first, with the one that is growing.

    Parameters
    ----------
    now_s : callable
        The venue's clock.
    fills_gaps : bool
        Whether a time in which nothing traded has a candle without volume.
    past : mapping
        Whole candles of the time before, by length; of its minutes the candles grow on that had not closed.
    """

    def __init__(
        self,
        *,
        now_s: Callable[[], float],
        fills_gaps: bool,
        past: Mapping[int, Sequence[Candle]] | None = None,
    ) -> None:
        self._now_s, self._fills_gaps = now_s, fills_gaps
        self._past = past or {}
        self._made: dict[int, dict[int, list[Decimal]]] = {
            length: _begun(self._past, length) for length in LENGTHS_S
        }

    def add(self, trade: Trade) -> None:
        """Take a trade; they come in order."""
        for length, made in self._made.items():
            start = int(trade.at_s // length) * length
            known = made.get(start)
            if known is None:
                made[start] = [*(trade.price,) * 4, trade.quantity]
                if len(made) > _KEPT:
                    del made[next(iter(made))]
                continue
            known[1], known[2] = max(known[1], trade.price), min(known[2], trade.price)
            known[3] = trade.price
            known[4] += trade.quantity

    def __getitem__(self, length: int) -> Sequence[Candle]:
        made = self._made[length]
        found = list(self._past.get(length, ()))
        for start, row in made.items():
            if self._fills_gaps and found:
                found += _quiet(found[-1], length, start * 1_000)
            found.append(Candle(start * 1_000, *(float(one) for one in row)))
        if self._fills_gaps and found:
            found += _quiet(found[-1], length, int(self._now_s()) * 1_000 + 1)
        return found

    def __iter__(self) -> Iterator[int]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def _begun(past: Mapping[int, Sequence[Candle]], length: int) -> dict[int, list[Decimal]]:
    """Make the candle that had not closed when the past ended."""
    minutes = past.get(LENGTHS_S[0], ())
    start_s = minutes[-1].start_ms // 1_000 // length * length if minutes else 0
    rows = [one for one in minutes[-length // LENGTHS_S[0] :] if one.start_ms >= start_s * 1_000]
    if len(rows) * LENGTHS_S[0] in (0, length):
        return {}
    high, low = max(one.high for one in rows), min(one.low for one in rows)
    values = (rows[0].open, high, low, rows[-1].close, sum(one.volume for one in rows))
    return {start_s: [Decimal(repr(one)) for one in values]}


def _quiet(last: Candle, length: int, until_ms: int) -> list[Candle]:
    starts = range(last.start_ms + length * 1_000, until_ms, length * 1_000)
    return [Candle(start, last.close, last.close, last.close, last.close, 0.0) for start in starts]


def listings_of(
    venue: Venue,
    products: Sequence[Product],
    *,
    now_s: Callable[[], float],
    fills_gaps: bool,
    past: Sequence[Listing] = (),
) -> list[Listing]:
    """List every product with the candles of its past, and of its trades from now on."""
    before = {(one.base, one.quote, one.is_perpetual): one.candles for one in past}
    candles = {
        one.key: TradeCandles(
            now_s=now_s, fills_gaps=fills_gaps, past=before.get((one.base, one.quote, one.is_perpetual))
        )
        for one in products
    }

    def take(event: Event) -> None:
        if isinstance(event, Trade):
            candles[event.product].add(event)

    venue.listen(take)
    return [Listing(one.base, one.quote, candles[one.key], is_perpetual=one.is_perpetual) for one in products]
