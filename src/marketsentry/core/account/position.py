"""One position of one strategy, moved by fills, funding and marks.

Average price counts at fill prices, fees and funding apart, like `kernels.account.apply_fill` (a test holds them
together). A round trip begins when the position leaves zero and ends when it comes back to it or crosses it; its gain
is net of its fees and funding, and a losing one lengthens the streak (K-32).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from marketsentry.core.account.rounding import in_money
from marketsentry.core.orders.order import ZERO, Side
from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class Position:
    """A position and what it has earned. Quantities are signed base units, money is in quote currency.

    `trip_quote` is what the open round trip has earned so far, closed parts and costs; `losing_streak` counts the
    losing round trips that ended last, one after the other.
    """

    qty: Decimal = ZERO
    average_price: Decimal = ZERO
    realised_quote: Decimal = ZERO
    fee_quote: Decimal = ZERO
    funding_quote: Decimal = ZERO
    trip_quote: Decimal = ZERO
    n_trips: int = 0
    losing_streak: int = 0
    mark_price: Decimal | None = None
    marked_at: datetime | None = None

    @property
    def unrealised_quote(self) -> Decimal | None:
        """Open gain at the mark before the cost of closing; zero when flat, None while a held position has no mark."""
        if not self.qty:
            return ZERO
        return None if self.mark_price is None else self.qty * (self.mark_price - self.average_price)

    @property
    def notional_quote(self) -> Decimal | None:
        """Signed value at the mark; None while a held position has no mark."""
        if not self.qty:
            return ZERO
        return None if self.mark_price is None else self.qty * self.mark_price

    @property
    def net_quote(self) -> Decimal:
        """Realised gain after fees and funding."""
        return self.realised_quote - self.fee_quote - self.funding_quote


@dataclass(frozen=True, slots=True)
class Moved:
    """A position after a fill; `trip_quote` is what the round trip gained that the fill ended, None when none ended."""

    position: Position
    trip_quote: Decimal | None = None


def apply_fill(position: Position, side: Side, qty: Decimal, price: Decimal, fee_quote: Decimal) -> Position:
    """Move a position by a fill; see `take_fill`."""
    return take_fill(position, side, qty, price, fee_quote).position


@in_money
def take_fill(position: Position, side: Side, qty: Decimal, price: Decimal, fee_quote: Decimal) -> Moved:
    """Move a position by a fill, and tell the gain of a round trip that ended with it.

    Parameters
    ----------
    position
        The position before.
    side
        Which way was traded.
    qty
        What was executed, base units > 0.
    price
        At which price, quote currency > 0.
    fee_quote
        Fee in quote currency, positive when paid. One that crosses zero is shared by quantity between the trip that
        ends and the one that begins.

    Returns
    -------
    Moved
        The position after, with its mark untouched.

    Raises
    ------
    InputError
        If a number is not what is said above.
    """
    if not (qty > 0 and price > 0 and fee_quote.is_finite()):
        raise InputError(f"a fill must have qty > 0 and price > 0, was {qty} at {price} with fee {fee_quote}")
    signed = side.sign * qty
    before, after = position.qty, position.qty + signed
    moved = replace(position, qty=after, fee_quote=position.fee_quote + fee_quote)
    if before * signed >= 0:
        average = (abs(before) * position.average_price + qty * price) / abs(after)
        return Moved(replace(moved, average_price=average, trip_quote=position.trip_quote - fee_quote))
    closed = min(abs(before), qty)
    gain = (1 if before > 0 else -1) * closed * (price - position.average_price)
    moved = replace(moved, realised_quote=position.realised_quote + gain)
    if before * after > 0:
        return Moved(replace(moved, trip_quote=position.trip_quote + gain - fee_quote))
    ending_fee = fee_quote * closed / qty
    trip = position.trip_quote + gain - ending_fee
    begun = replace(
        moved,
        average_price=price if after else ZERO,
        trip_quote=-(fee_quote - ending_fee),
        n_trips=position.n_trips + 1,
        losing_streak=position.losing_streak + 1 if trip < 0 else 0,
    )
    return Moved(begun, trip)


@in_money
def apply_funding(position: Position, paid_quote: Decimal) -> Position:
    """Charge funding or borrowing: positive when paid, negative when received."""
    if not paid_quote.is_finite():
        raise InputError(f"funding must be finite, was {paid_quote}")
    return replace(
        position,
        funding_quote=position.funding_quote + paid_quote,
        trip_quote=position.trip_quote - paid_quote,
    )


def mark(position: Position, price: Decimal, at: datetime) -> Position:
    """Set the last known price."""
    if not price > 0:
        raise InputError(f"a mark must be > 0, was {price}")
    return replace(position, mark_price=price, marked_at=at)


def marked_later(position: Position, price: Decimal, at: datetime) -> Position:
    """Set the last known price, unless a later one is known."""
    if position.marked_at is not None and position.marked_at > at:
        return position
    return mark(position, price, at)
