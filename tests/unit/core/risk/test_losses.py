"""Contract 1.5: loss inputs, with the vectors of the contract (K-32)."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.risk.losses import (
    daily_equity_loss,
    equity_drawdown,
    execution_shortfall_ratio,
    loss_streak,
)
from marketsentry.exceptions import InputError

D = Decimal
money = st.decimals(-1000, 1000, places=4)


def test_the_vectors_of_the_contract():
    assert execution_shortfall_ratio([D(-10), D(-5)], [D(1000), D(500)]) == 0.01
    assert loss_streak([-1, -0.2, 0, -3]) == 2


def test_shortfall_is_bounded_and_zero_without_loss_or_notional():
    assert execution_shortfall_ratio([D(-100)], [D(1)]) == 5.0
    assert execution_shortfall_ratio([D(3), D(-2)], [D(10), D(10)]) == 0.0
    assert execution_shortfall_ratio([D(-3)], [D("1e-9")]) == 0.0
    assert execution_shortfall_ratio([], []) == 0.0


@given(st.lists(st.tuples(money, money), max_size=20))
def test_shortfall_agrees_with_the_definition(orders):
    edges, notionals = [edge for edge, _ in orders], [notional for _, notional in orders]
    lost, moved = -math.fsum(map(float, edges)), math.fsum(abs(float(n)) for n in notionals)
    expected = 0.0 if lost <= 1e-12 or moved <= 1e-9 else min(lost / moved, 5.0)
    assert execution_shortfall_ratio(edges, notionals) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.lists(money, max_size=20))
def test_a_streak_is_what_stands_before_the_first_that_is_no_loss(results):
    expected = next((n for n, result in enumerate(results) if result >= D("-1e-12")), len(results))
    assert loss_streak(results) == expected


def test_a_tiny_loss_is_rounding():
    assert loss_streak([-1.0, -1e-13, -1.0]) == 1


def test_equity_loss_counts_what_was_not_paid_in_or_out():
    assert daily_equity_loss(D(1000), D(970)) == 0.03
    assert daily_equity_loss(D(1000), D(1200)) == 0.0
    assert daily_equity_loss(D(1000), D(1460), net_deposits=D(500)) == 0.04
    assert daily_equity_loss(D(1000), D(500), net_deposits=D(-500)) == 0.0
    assert daily_equity_loss(D(1000), D(-1000)) == 2.0
    assert equity_drawdown(D(80), D(100)) == 0.2
    assert equity_drawdown(D(120), D(100)) == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: daily_equity_loss(D(0), D(1)),
        lambda: daily_equity_loss(D("NaN"), D(1)),
        lambda: daily_equity_loss(D(1), D("Infinity")),
        lambda: equity_drawdown(D(1), D(0)),
        lambda: execution_shortfall_ratio([D(1)], []),
        lambda: execution_shortfall_ratio([D("NaN")], [D(1)]),
        lambda: loss_streak([math.nan]),
    ],
)
def test_what_cannot_be_computed_is_refused_and_never_zero(call):
    with pytest.raises(InputError):
        call()
