"""Figures for risk are complete or refused."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from marketsentry.core.account.equity import Equity
from marketsentry.core.account.figures import Figures, Pending, account_figures, losing_streak
from marketsentry.core.account.position import Position
from marketsentry.exceptions import DataQualityError

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGE = timedelta(minutes=10)


def held(qty: str, price: str | None, *, at: datetime | None = AT) -> Position:
    return Position(
        qty=Decimal(qty),
        average_price=Decimal(100),
        mark_price=None if price is None else Decimal(price),
        marked_at=at,
    )


def figures(
    *positions: tuple[str, Position], pending: tuple[Pending, ...] = (), equity: str = "1000"
) -> Figures:
    worth = Equity(AT, Decimal(equity), Decimal(1250), Decimal(1100))
    return account_figures(
        worth, Decimal(500), positions, pending, losing_streak=2, at=AT, max_mark_age=AGE, market={}
    )


def test_weights_are_notionals_over_equity_with_what_is_on_its_way() -> None:
    """K-26, K-29."""
    pending = (Pending("BTC", Decimal(1), Decimal(7)), Pending("SOL", Decimal(-2), Decimal(50)))
    told = figures(
        ("BTC", held("2", "100")), ("BTC", held("-1", "100")), ("ETH", held("-5", "20")), pending=pending
    )
    assert told.held == {"BTC": Decimal("0.1"), "ETH": Decimal("-0.1")}
    assert told.weights == {"BTC": Decimal("0.2"), "ETH": Decimal("-0.1"), "SOL": Decimal("-0.1")}
    assert told.drawdown_frac == Decimal("0.2")
    assert told.daily_loss_frac == 1 - Decimal(1000) / 1100
    assert (told.losing_streak, told.oldest_mark_at) == (2, AT)


def test_what_is_on_its_way_counts_at_the_market_where_its_own_price_is_lower() -> None:
    worth = Equity(AT, Decimal(1000), Decimal(1000), Decimal(1000))
    sale, buy = Pending("SOL", Decimal(-2), Decimal(1)), Pending("ADA", Decimal(1), Decimal(70))
    told = account_figures(
        worth,
        Decimal(1000),
        (("BTC", held("1", "100")),),
        (sale, buy, Pending("BTC", Decimal(1), Decimal(1))),
        losing_streak=0,
        at=AT,
        max_mark_age=AGE,
        market={"SOL": Decimal(50), "ADA": Decimal(60), "BTC": Decimal(500)},
    )
    assert told.weights == {"BTC": Decimal("0.2"), "SOL": Decimal("-0.1"), "ADA": Decimal("0.07")}


def test_nothing_held_needs_no_price() -> None:
    told = figures(("BTC", held("0", None, at=None)), equity="0")
    assert (told.held, told.weights, told.oldest_mark_at) == ({}, {}, None)
    assert told.drawdown_frac == 1


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (held("1", None, at=None), "BTC is held and has no mark"),
        (held("1", "100", at=AT - AGE - timedelta(seconds=1)), "the mark of BTC must be at most 0:10:00 old"),
    ],
)
def test_a_price_that_is_missing_or_old_is_no_price(position: Position, reason: str) -> None:
    """K-38."""
    with pytest.raises(DataQualityError, match=reason):
        figures(("BTC", position))


def test_an_open_order_without_a_price_is_refused() -> None:
    with pytest.raises(DataQualityError, match="an open order in SOL has no price"):
        figures(pending=(Pending("SOL", Decimal(1), None),))


def test_no_weight_of_no_equity() -> None:
    with pytest.raises(DataQualityError, match="equity must be > 0"):
        figures(("BTC", held("1", "100")), equity="0")


def test_a_streak_ends_at_the_first_trip_that_did_not_lose() -> None:
    assert losing_streak(map(Decimal, ("-1", "-0.2", "0", "-3"))) == 2
    assert losing_streak([]) == 0
