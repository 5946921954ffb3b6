"""Fills of decimal texts, and the account that tests book them in."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

from marketsentry.core.orders.order import Fill
from marketsentry.ports.accounts import Booking

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAPITAL = Decimal(100_000)

MakeBooking = Callable[..., Awaitable[Booking]]


def a_fill(
    trade_id: str,
    qty: str,
    price: str,
    *,
    fee: str = "0",
    fee_currency: str = "USD",
    at: datetime = AT,
) -> Fill:
    """Make a fill of decimal texts."""
    return Fill(trade_id, Decimal(qty), Decimal(price), Decimal(fee), fee_currency, at)
