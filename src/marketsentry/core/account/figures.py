"""What risk must know of an account before anything opens: losses and weights (K-26, K-29, K-38).

A figure that cannot be told is an error here, never zero: a price that is missing or old, equity that is not positive.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.core.account.equity import Equity
from marketsentry.core.account.position import Position
from marketsentry.core.orders.order import ZERO
from marketsentry.exceptions import DataQualityError


@dataclass(frozen=True, slots=True)
class Figures:
    """Losses as positive fractions, and weights as signed fractions of equity.

    `held` are the weights of positions, `weights` those with what open orders would add. `oldest_mark_at` is None when
    nothing is held.
    """

    equity_quote: Decimal
    cash_quote: Decimal
    drawdown_frac: Decimal
    daily_loss_frac: Decimal
    losing_streak: int
    held: Mapping[str, Decimal]
    weights: Mapping[str, Decimal]
    oldest_mark_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pending:
    """What an open order would still trade: `qty` signed base units, `price` in quote currency, None when unknown."""

    target: str
    qty: Decimal
    price: Decimal | None


def account_figures(
    equity: Equity,
    cash_quote: Decimal,
    positions: Iterable[tuple[str, Position]],
    pending: Iterable[Pending],
    *,
    losing_streak: int,
    at: datetime,
    max_mark_age: timedelta,
    market: Mapping[str, Decimal],
) -> Figures:
    """Make the figures of one sub-ledger, or of a whole track.

    Parameters
    ----------
    equity
        At `at`, with its peak and the start of its day.
    cash_quote
        All cash, quote currency.
    positions
        Targets and positions; several may be in one target.
    pending
        Open orders.
    losing_streak
        Losing round trips in a row.
    at
        Now.
    max_mark_age
        A mark may be this old.
    market
        Newest prices by target: what is on its way and not held counts at them where they are above its own price.

    Returns
    -------
    Figures

    Raises
    ------
    DataQualityError
        If a held target has no mark, an old one or one of the future, an open order has no price, or equity is not
        above zero while something is held or on its way.
    """
    held = [(target, position) for target, position in positions if position.qty]
    prices = {target: _fresh(target, position, at=at, max_age=max_mark_age) for target, position in held}
    notionals: dict[str, Decimal] = {}
    for target, position in held:
        notionals[target] = notionals.get(target, ZERO) + position.qty * prices[target]
    with_pending = dict(notionals)
    for one in pending:
        price = prices.get(one.target) or _largest(one.price, market.get(one.target))
        if price is None or not price > 0:
            raise DataQualityError(f"an open order in {one.target} has no price")
        with_pending[one.target] = with_pending.get(one.target, ZERO) + one.qty * price
    worth = equity.equity_quote
    if with_pending and not worth > 0:
        raise DataQualityError(f"equity must be > 0 to weigh what is held against it, was {worth}")
    return Figures(
        equity_quote=worth,
        cash_quote=cash_quote,
        drawdown_frac=equity.drawdown_frac,
        daily_loss_frac=equity.daily_loss_frac,
        losing_streak=losing_streak,
        held={target: notional / worth for target, notional in notionals.items()},
        weights={target: notional / worth for target, notional in with_pending.items()},
        oldest_mark_at=min((one.marked_at for _, one in held if one.marked_at is not None), default=None),
    )


def losing_streak(gains: Iterable[Decimal]) -> int:
    """Count the losing round trips since the last one that did not lose; `gains` newest first."""
    streak = 0
    for gain in gains:
        if gain >= 0:
            break
        streak += 1
    return streak


def _largest(*prices: Decimal | None) -> Decimal | None:
    return max((price for price in prices if price is not None), default=None)


def _fresh(target: str, position: Position, *, at: datetime, max_age: timedelta) -> Decimal:
    if position.mark_price is None or position.marked_at is None:
        raise DataQualityError(f"{target} is held and has no mark")
    if not abs(at - position.marked_at) <= max_age:  # one of the future is of a clock that was wrong
        raise DataQualityError(
            f"the mark of {target} must be at most {max_age} old, was of {position.marked_at.isoformat()}"
        )
    return position.mark_price
