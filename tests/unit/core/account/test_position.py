"""Positions against the kernel that backtests use, and against slower definitions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.account.position import (
    Position,
    apply_fill,
    apply_funding,
    mark,
    marked_later,
    take_fill,
)
from marketsentry.core.orders.order import Side
from marketsentry.exceptions import InputError
from marketsentry.kernels import account as kernel

AT = datetime(2026, 3, 1, tzinfo=UTC)
Trade = tuple[Side, Decimal, Decimal, Decimal]

trades = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.decimals("0.001", "1000", places=3),
        st.decimals("0.01", "100000", places=2),
        st.decimals("-1", "50", places=4),
    ),
    min_size=1,
    max_size=40,
)


def taken(filled: list[Trade]) -> Position:
    position = Position()
    for trade in filled:
        position = apply_fill(position, *trade)
    return position


def close_to(value: Decimal, *, scale: Decimal = Decimal(1)) -> object:
    return pytest.approx(float(value), rel=1e-9, abs=1e-9 * max(1.0, float(scale)))


@given(trades)
def test_positions_agree_with_the_kernel_of_backtests(filled: list[Trade]) -> None:
    book, account = np.zeros((1, kernel.BOOK_FIELDS)), np.zeros(kernel.ACCOUNT_FIELDS)
    held, turnover = Decimal(0), Decimal(0)
    for side, qty, price, fee in filled:
        held += side.sign * qty
        turnover += qty * price
        kernel.apply_fill(book, account, 0, float(held), float(price), float(price), float(fee), 0.0, 0.0)
    position = taken(filled)
    cash = sum((-side.sign * qty * price - fee for side, qty, price, fee in filled), Decimal(0))
    assert float(position.qty) == book[0, kernel.QTY]
    assert book[0, kernel.AVG_PRICE] == close_to(position.average_price)
    assert book[0, kernel.REALISED] == close_to(position.realised_quote, scale=turnover)
    assert book[0, kernel.FEE] == close_to(position.fee_quote)
    assert account[kernel.CASH] == close_to(cash, scale=turnover)


@given(trades, st.decimals("0.01", "100000", places=2))
def test_cash_and_value_are_what_was_earned(filled: list[Trade], price: Decimal) -> None:
    position = mark(taken(filled), price, AT)
    cash = sum((-side.sign * qty * at - fee for side, qty, at, fee in filled), Decimal(0))
    assert position.notional_quote is not None
    assert position.unrealised_quote is not None
    earned = position.net_quote + position.unrealised_quote
    assert abs(cash + position.notional_quote - earned) < Decimal("1e-12") * (1 + abs(earned))


def naive_lots(filled: list[Trade]) -> tuple[Decimal, Decimal, list[Decimal]]:
    """Quantity, average cost and net gain of each ended trip, by splitting every fill that crosses zero."""
    qty, cost, trip, gains = Decimal(0), Decimal(0), Decimal(0), []
    for side, size, price, fee in filled:
        closing = min(size, abs(qty)) if qty * side.sign < 0 else Decimal(0)
        opening = size - closing
        if closing:
            part = cost * closing / abs(qty)
            trip += (closing * price - part) * (1 if qty > 0 else -1) - fee * closing / size
            cost -= part
            qty += side.sign * closing
            if not qty:
                gains.append(trip)
                trip, cost = Decimal(0), Decimal(0)
        if opening:
            trip -= fee * opening / size
            cost += opening * price
            qty += side.sign * opening
    return qty, cost / abs(qty) if qty else Decimal(0), gains


@given(trades)
def test_average_and_trips_agree_with_split_fills(filled: list[Trade]) -> None:
    position, gains = Position(), []
    for trade in filled:
        moved = take_fill(position, *trade)
        position = moved.position
        if moved.trip_quote is not None:
            gains.append(moved.trip_quote)
    qty, average, expected = naive_lots(filled)
    assert position.qty == qty
    assert abs(position.average_price - average) <= Decimal("1e-18") * (1 + average)
    assert position.n_trips == len(gains) == len(expected)
    scale = 1 + sum((size * price for _, size, price, _ in filled), Decimal(0))
    assert all(abs(a - b) < Decimal("1e-20") * scale for a, b in zip(gains, expected, strict=True))


@given(trades)
def test_the_trips_and_the_open_one_are_all_that_was_earned(filled: list[Trade]) -> None:
    position, gains = Position(), Decimal(0)
    for trade in filled:
        moved = take_fill(position, *trade)
        position = moved.position
        gains += moved.trip_quote or Decimal(0)
    scale = 1 + sum((size * price for _, size, price, _ in filled), Decimal(0))
    assert abs(gains + position.trip_quote - position.net_quote) < Decimal("1e-20") * scale


@given(trades)
def test_no_average_without_a_position_and_none_below_zero(filled: list[Trade]) -> None:
    position = Position()
    for trade in filled:
        position = apply_fill(position, *trade)
        assert position.average_price >= 0
        assert bool(position.average_price) == bool(position.qty)
        assert position.losing_streak <= position.n_trips


@given(st.permutations([Decimal(n) for n in (100, 110, 120, 90)]))
def test_the_order_of_fills_that_open_does_not_matter(prices: list[Decimal]) -> None:
    position = taken([(Side.BUY, Decimal(1), price, Decimal(0)) for price in prices])
    assert (position.qty, position.average_price) == (Decimal(4), Decimal(105))


def test_a_fill_that_crosses_zero_ends_a_trip_and_begins_another_with_its_share_of_the_fee() -> None:
    opened = apply_fill(Position(), Side.BUY, Decimal(2), Decimal(100), Decimal(1))
    moved = take_fill(opened, Side.SELL, Decimal(3), Decimal(101), Decimal(3))
    assert moved.trip_quote == 2 - 1 - 2
    assert moved.position.qty == -1
    assert moved.position.average_price == 101
    assert moved.position.trip_quote == -1
    assert moved.position.losing_streak == 1
    assert moved.position.realised_quote == 2


def test_funding_belongs_to_the_open_trip() -> None:
    opened = apply_fill(Position(), Side.BUY, Decimal(1), Decimal(100), Decimal(0))
    paid = apply_funding(opened, Decimal(5))
    closed = take_fill(paid, Side.SELL, Decimal(1), Decimal(104), Decimal(0))
    assert closed.trip_quote == -1
    assert closed.position.net_quote == -1


def test_a_trip_that_does_not_lose_ends_the_streak() -> None:
    position = Position()
    streaks = []
    for exit_price in (99, 98, 100, 99):
        position = apply_fill(position, Side.BUY, Decimal(1), Decimal(100), Decimal(0))
        position = apply_fill(position, Side.SELL, Decimal(1), Decimal(exit_price), Decimal(0))
        streaks.append(position.losing_streak)
    assert streaks == [1, 2, 0, 1]


def test_what_has_no_mark_has_no_value() -> None:
    held = apply_fill(Position(), Side.BUY, Decimal(1), Decimal(100), Decimal(0))
    assert held.unrealised_quote is None
    assert held.notional_quote is None
    assert Position().unrealised_quote == Position().notional_quote == 0


def test_an_earlier_price_does_not_replace_a_later_one() -> None:
    held = mark(Position(qty=Decimal(1)), Decimal(5), AT)
    assert marked_later(held, Decimal(9), AT - timedelta(seconds=1)) == held
    assert marked_later(held, Decimal(9), AT).mark_price == 9


@pytest.mark.parametrize(
    ("qty", "price", "fee"),
    [
        ("0", "1", "0"),
        ("-1", "1", "0"),
        ("1", "0", "0"),
        ("1", "NaN", "0"),
        ("NaN", "1", "0"),
        ("1", "1", "NaN"),
    ],
)
def test_a_fill_that_is_none_is_refused(qty: str, price: str, fee: str) -> None:
    with pytest.raises((InputError, ArithmeticError)):
        apply_fill(Position(), Side.BUY, Decimal(qty), Decimal(price), Decimal(fee))


def test_funding_and_marks_must_be_numbers() -> None:
    with pytest.raises(InputError, match="funding must be finite, was NaN"):
        apply_funding(Position(), Decimal("NaN"))
    with pytest.raises(InputError, match="a mark must be > 0, was 0"):
        mark(Position(), Decimal(0), AT)
