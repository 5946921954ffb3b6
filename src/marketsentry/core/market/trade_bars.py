"""Bars made of trades as they come: only those of which every trade was heard.

Trades may come twice and in any order. A bar is whole when listening began no later than it opened and was not
interrupted since; it is given out once, when the caller knows that nothing of it is still on its way.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from marketsentry.core.market.interval import Interval

Values = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Print:
    """One trade of the public tape: quote price > 0, base quantity > 0."""

    at_ns: int
    price: Decimal
    qty: Decimal
    trade_id: str


@dataclass(frozen=True, slots=True)
class MadeBar:
    """A whole bar: its open time and open, high, low, close, volume."""

    ts_ns: int
    values: Values


@dataclass(slots=True)
class _Growing:
    """Sums of one bar; first and last trade by time, then by id."""

    first: tuple[tuple[int, int, str], Decimal]
    last: tuple[tuple[int, int, str], Decimal]
    high: Decimal
    low: Decimal
    volume: Decimal = Decimal(0)
    ids: set[str] = field(default_factory=set)

    def add(self, one: Print) -> None:
        place = _place(one)
        if place < self.first[0]:
            self.first = place, one.price
        if place > self.last[0]:
            self.last = place, one.price
        self.high, self.low = max(self.high, one.price), min(self.low, one.price)
        self.volume += one.qty
        self.ids.add(one.trade_id)

    @property
    def values(self) -> Values:
        sums = (self.first[1], self.high, self.low, self.last[1], self.volume)
        opened, high, low, close, volume = map(float, sums)
        return opened, high, low, close, volume


class BarMaker:
    """Makes the bars of one market.

    Parameters
    ----------
    interval
        Length of a bar.
    """

    def __init__(self, interval: Interval) -> None:
        self._interval = interval
        self._whole_from_ns: int | None = None
        self._given_ns = 0
        self._growing: dict[int, _Growing] = {}
        self.newest_ns = 0

    def begin(self, at_ns: int) -> None:
        """Every trade from `at_ns` on will come; told again without an interruption it changes nothing."""
        if self._whole_from_ns is None:
            self._whole_from_ns = -(-at_ns // self._interval.ns) * self._interval.ns

    def interrupt(self) -> None:
        """Trades may be missed from now on, until `begin`."""
        self._whole_from_ns = None
        self._growing.clear()

    def add(self, one: Print) -> None:
        """Take a trade; one that was taken before, is of no whole bar or of one that was given out, changes nothing."""
        self.newest_ns = max(self.newest_ns, one.at_ns)
        ts_ns = one.at_ns // self._interval.ns * self._interval.ns
        if not self.is_whole(ts_ns) or ts_ns < self._given_ns:
            return
        known = self._growing.get(ts_ns)
        if known is None:
            place = _place(one), one.price
            known = self._growing[ts_ns] = _Growing(place, place, one.price, one.price)
        if one.trade_id not in known.ids:
            known.add(one)

    @property
    def has_begun(self) -> bool:
        """Whether every trade is heard at present."""
        return self._whole_from_ns is not None

    def is_whole(self, ts_ns: int) -> bool:
        """Whether every trade of the bar that opens at `ts_ns` was or will be heard."""
        return self._whole_from_ns is not None and ts_ns >= self._whole_from_ns

    def close(self, until_ns: int) -> tuple[MadeBar, ...]:
        """Give out the whole bars that end at `until_ns` or before, oldest first, each once.

        A bar in which nothing traded is not among them.
        """
        ended = sorted(ts_ns for ts_ns in self._growing if ts_ns + self._interval.ns <= until_ns)
        made = tuple(MadeBar(ts_ns, self._growing.pop(ts_ns).values) for ts_ns in ended)
        if self._whole_from_ns is not None:
            self._given_ns = max(self._given_ns, until_ns // self._interval.ns * self._interval.ns)
        return made


def _place(one: Print) -> tuple[int, int, str]:
    """Order trades of one instant by number where the venue numbers them."""
    return one.at_ns, int(one.trade_id) if one.trade_id.isdecimal() else 0, one.trade_id
