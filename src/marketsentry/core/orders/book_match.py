"""What a paper venue fills of a leg against a recorded book (K-14 to K-17).

Assumptions. A leg that arrives takes the levels of the other side in their order, the best first, as far as its limit
and the book as it is kept go; what own orders took of the same book before is gone. It pays what it took at the price
of each level. The rest of a `GTC` leg rests at its limit behind all that is shown there, at that price or in the step
that holds it; where the book does not reach so far, nothing is known of the queue and none of it is worked off. Trades
at the price work off the queue, then fill; cancellations of others never move it on. A trade beyond the price means
that all that stood there is gone, so it fills too; never more is filled than was traded. Once the other side itself
comes within the limit, the leg fills there at its own price, by no more than what is offered. The market goes on as if
we had not been there. Nothing is drawn at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from marketsentry.core.market.book import EXACT_LEVELS
from marketsentry.core.orders.order import ZERO, Side, TimeInForce
from marketsentry.core.orders.paper_leg import PaperLeg
from marketsentry.core.orders.product import whole_lots

_PRICE_STEP = Decimal("1e-12")
_BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class Level:
    """A price in quote currency with the base units that stand at it."""

    price: Decimal
    qty: Decimal


@dataclass(frozen=True, slots=True)
class BookLook:
    """The book of one symbol as it was at `at`, the best levels first; `source` is where it was recorded."""

    symbol: str
    source: str
    at: datetime
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    @property
    def mid(self) -> Decimal:
        """Half way between the best prices."""
        return (self.bids[0].price + self.asks[0].price) / 2

    def against(self, side: Side) -> tuple[Level, ...]:
        """What an order of a side takes."""
        return self.asks if side is Side.BUY else self.bids

    def beside(self, side: Side) -> tuple[Level, ...]:
        """Where an order of a side rests."""
        return self.bids if side is Side.BUY else self.asks


@dataclass(frozen=True, slots=True)
class Taken:
    """What is filled at which price; a quantity of zero is no fill."""

    qty: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Traded:
    """What takers traded against a resting leg: base units at its price, and beyond it."""

    at_price: Decimal = ZERO
    beyond: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Resting:
    """What a resting leg is filled by takers, and what stands before it afterwards; None where that is not known."""

    qty: Decimal
    ahead: Decimal | None


def take(leg: PaperLeg, look: BookLook, *, gone: Decimal, lot_size: Decimal) -> Taken:
    """Match a leg that arrives.

    Parameters
    ----------
    leg
        What is wanted.
    look
        The book that it meets.
    gone
        Base units that own orders took of the side it meets, at this very book.
    lot_size
        Fills are in whole lots; zero takes any.

    Returns
    -------
    Taken
        At most what is offered within the limit; nothing of a `FOK` leg that cannot be filled whole. The price is the
        mean over the levels, rounded against us by at most 1e-12 and never beyond the limit.
    """
    open_to_it = _within(left_over(look.against(leg.side), gone), leg)
    offered = sum((level.qty for level in open_to_it), ZERO)
    qty = leg.qty if offered >= leg.qty else whole_lots(offered, lot_size)
    if not qty or (leg.time_in_force is TimeInForce.FOK and qty < leg.qty):
        return Taken(ZERO, look.mid)
    return Taken(qty, _mean_price(open_to_it, qty, leg))


def rest(leg: PaperLeg, ahead: Decimal | None, traded: Traded, *, lot_size: Decimal) -> Resting:
    """Match a resting leg with what takers traded since the last look.

    Parameters
    ----------
    leg
        What is left of it.
    ahead
        Base units before it in the queue, None where that is not known.
    traded
        What was traded at its price and beyond.
    lot_size
        Fills are in whole lots; zero takes any.

    Returns
    -------
    Resting
    """
    if traded.beyond:
        reached, after = traded.beyond + max(ZERO, traded.at_price - (ahead or ZERO)), ZERO
        reached = reached if ahead is not None else traded.beyond
    elif ahead is None:
        return Resting(ZERO, None)
    else:
        reached, after = max(ZERO, traded.at_price - ahead), max(ZERO, ahead - traded.at_price)
    qty = leg.qty if reached >= leg.qty else whole_lots(reached, lot_size)
    return Resting(qty, after)


def meet(leg: PaperLeg, look: BookLook, *, gone: Decimal, lot_size: Decimal) -> Taken:
    """Match a resting leg with a book whose other side came within its limit: filled at its own price."""
    found = take(replace(leg, time_in_force=TimeInForce.GTC), look, gone=gone, lot_size=lot_size)
    return Taken(found.qty, leg.limit_price)


def queue_ahead(leg: PaperLeg, look: BookLook) -> Decimal | None:
    """Tell what stands before a leg that begins to rest; None where the book does not reach to its price."""
    sign = leg.side.sign
    for place, level in enumerate(look.beside(leg.side)):
        if sign * (leg.limit_price - level.price) > 0 and place < EXACT_LEVELS:
            return ZERO  # a price at which nobody stood
        if sign * (leg.limit_price - level.price) >= 0:
            return level.qty
    return None


def left_over(levels: Sequence[Level], gone: Decimal) -> tuple[Level, ...]:
    """Take a quantity off the best levels."""
    left = []
    for level in levels:
        off = min(gone, level.qty)
        gone -= off
        if level.qty > off:
            left.append(Level(level.price, level.qty - off))
    return tuple(left)


def fee_of(qty: Decimal, price: Decimal, fee_bps: Decimal) -> Decimal:
    """What a fill pays, on the notional at its price."""
    return qty * price * fee_bps / _BPS


def _within(levels: Sequence[Level], leg: PaperLeg) -> tuple[Level, ...]:
    return tuple(one for one in levels if leg.side.sign * (leg.limit_price - one.price) >= 0)


def _mean_price(levels: Sequence[Level], qty: Decimal, leg: PaperLeg) -> Decimal:
    left, paid = qty, ZERO
    for level in levels:
        part = min(left, level.qty)
        paid, left = paid + part * level.price, left - part
        if not left:
            break
    against_us = ROUND_CEILING if leg.side is Side.BUY else ROUND_FLOOR
    price = (paid / qty).quantize(_PRICE_STEP, rounding=against_us)
    return min(price, leg.limit_price) if leg.side is Side.BUY else max(price, leg.limit_price)
