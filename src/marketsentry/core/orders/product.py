"""What a venue allows of one product: tick, lot, smallest order, status."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import ZERO, Side


@dataclass(frozen=True, slots=True)
class Product:
    """Rules of one product. `symbol` is our name, `venue_symbol` the venue's.

    `tick_size` of the price and `lot_size` of the quantity are steps; zero means that any value is taken.
    `min_notional` is in quote currency. `reach_frac` is how far beyond the market the venue takes a limit, None where
    it does not say. `is_closable` says that positions can be closed where nothing may be opened.
    """

    symbol: str
    venue_symbol: str
    base: str
    quote: str
    market: Market
    tick_size: Decimal = ZERO
    lot_size: Decimal = ZERO
    min_qty: Decimal = ZERO
    min_notional: Decimal = ZERO
    is_tradeable: bool = True
    reach_frac: Decimal | None = None
    is_closable: bool = False

    def round_qty(self, qty: Decimal) -> Decimal:
        """Round down to whole lots: never more than asked."""
        return whole_lots(qty, self.lot_size)

    def takes(self, *, is_reduce_only: bool) -> bool:
        """Whether the venue takes orders in it now, or those that only close."""
        return self.is_tradeable or (is_reduce_only and self.is_closable)

    def bound_price(self, price: Decimal, side: Side) -> Decimal:
        """Round a limit to a tick on its safe side: down to buy, up to sell."""
        return _to_step(price, self.tick_size, ROUND_FLOOR if side is Side.BUY else ROUND_CEILING)

    def is_too_small(self, qty: Decimal, price: Decimal) -> bool:
        """Whether the venue would refuse an order of this size; a quantity of zero lots always is."""
        return not (qty > 0 and qty >= self.min_qty and qty * price >= self.min_notional)


def whole_lots(qty: Decimal, lot_size: Decimal) -> Decimal:
    """Round down to whole lots; a lot of zero takes any quantity."""
    return _to_step(qty, lot_size, ROUND_FLOOR)


def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return value if not step else (value / step).to_integral_value(rounding=rounding) * step
