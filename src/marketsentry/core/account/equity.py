"""Equity of a strategy or an account over time: its peak, and where the UTC day began."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from marketsentry.core.account.rounding import in_money
from marketsentry.core.orders.order import ZERO


@dataclass(frozen=True, slots=True)
class Equity:
    """Cash and positions at their marks, in quote currency.

    `day_start_quote` is the equity at the last mark before 00:00 UTC.
    """

    at: datetime
    equity_quote: Decimal
    peak_quote: Decimal
    day_start_quote: Decimal

    @property
    def drawdown_frac(self) -> Decimal:
        """Fall from the peak as a positive fraction; 1 when there is no peak to fall from."""
        return _loss(self.equity_quote, self.peak_quote)

    @property
    def daily_loss_frac(self) -> Decimal:
        """Loss since the start of the day as a positive fraction, zero after a gain."""
        return max(ZERO, _loss(self.equity_quote, self.day_start_quote))


@in_money
def next_equity(
    before: Equity | None, equity_quote: Decimal, at: datetime, *, flow_quote: Decimal = ZERO
) -> Equity:
    """Take the next mark; `flow_quote` was paid in (out, when negative) since the one before: no gain and no loss."""
    if before is None:
        return Equity(at, equity_quote, equity_quote, equity_quote)
    is_new_day = _day(at) > _day(before.at)
    day_start = before.equity_quote if is_new_day else before.day_start_quote
    peak = max(before.peak_quote + flow_quote, equity_quote)
    return Equity(at, equity_quote, peak, day_start + flow_quote)


def _loss(now: Decimal, then: Decimal) -> Decimal:
    return 1 - now / then if then > 0 else Decimal(1)


def _day(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
