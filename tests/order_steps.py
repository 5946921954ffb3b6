"""Orders and steps that the tests of execution share."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from marketsentry.core.market.symbols import Market as MarketKind
from marketsentry.core.orders.apply import apply_all
from marketsentry.core.orders.events import Admitted, Event, LegFilled, LegSending
from marketsentry.core.orders.order import Fill, LegKind, Order, OrderStatus, Side, TimeInForce
from marketsentry.core.orders.plan import Market, Plan, Send, Step, next_step
from marketsentry.core.orders.product import Product

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
BTC = Product("BTC", "BTC-USD", "BTC", "USD", MarketKind.SPOT, Decimal("0.01"), Decimal("0.0001"))
MARKET = Market(Decimal("99.99"), Decimal("100.01"))


def at(seconds: float) -> datetime:
    """Return a time so long after the start."""
    return START + timedelta(seconds=seconds)


def admitted(qty: str = "1", *, price: str | None = "100", side: Side = Side.BUY) -> Order:
    """An order that may be executed."""
    order = Order(7, side, Decimal(qty), None if price is None else Decimal(price), OrderStatus.SUBMITTED)
    return apply_all(order, [Admitted(START, Decimal(qty))])


def sending(step: Send, seconds: float = 0) -> LegSending:
    """Record that a leg is sent."""
    return LegSending(
        at(seconds), step.client_order_id, step.kind, step.qty, step.limit_price, step.time_in_force
    )


def filled(leg: str, trade_id: str, qty: str, *, price: str = "100", seconds: float = 0) -> LegFilled:
    """A fill of a leg, with a fee of 5 bps."""
    fee = Decimal(qty) * Decimal(price) * Decimal("0.0005")
    fill = Fill(trade_id, Decimal(qty), Decimal(price), fee, "USD", at(seconds))
    return LegFilled(at(seconds), leg, fill)


def step_of(order: Order, plan: Plan, *, seconds: float = 0, market: Market | None = MARKET) -> Step:
    """Ask for the next step at a venue that trades BTC."""
    return next_step(order, plan, now=at(seconds), market=market, product=BTC)


def limit(qty: str = "1", tif: TimeInForce = TimeInForce.IOC, seconds: float = 0) -> LegSending:
    """The limit leg of order 7, sent."""
    return LegSending(at(seconds), "ms-7-l", LegKind.LIMIT, Decimal(qty), Decimal("100.03"), tif)


def after(order: Order, *events: Event) -> Order:
    """Apply events."""
    return apply_all(order, events)
