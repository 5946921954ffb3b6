"""Orders lead from what is held to what is wanted, in whole lots, and say which part of them closes."""

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.orders.order import Side
from marketsentry.core.trading.decider import Decided
from marketsentry.core.trading.orders import wanted_orders

amounts = st.decimals(-100, 100, places=8, allow_nan=False)


def decided(*targets):
    row = np.array([float(one) for one in targets])
    return Decided(0, 1.0, row, row, row, row, row, np.ones(len(row)))


@given(amounts, amounts)
def test_the_order_leads_to_the_target_exactly(held, target):
    found = wanted_orders(("BTC",), decided(target), {"BTC": held})
    goal = Decimal(repr(float(target)))
    if goal == held:
        assert found == ()
        return
    (one,) = found
    assert held + one.side.sign * one.qty == goal
    assert 0 <= one.closing <= min(one.qty, abs(held))
    assert (one.closing > 0) == (held * one.side.sign < 0)
    assert one.opens == (abs(goal) > abs(held) or held * goal < 0)


@given(amounts, amounts)
def test_orders_are_whole_lots_and_never_go_beyond(held, target):
    lot = Decimal("0.001")
    for one in wanted_orders(("BTC",), decided(target), {"BTC": held}, lots={"BTC": lot}):
        assert one.qty % lot == 0
        left = abs(held + one.side.sign * one.qty - Decimal(repr(float(target))))
        assert left < lot


def test_less_than_a_lot_is_not_ordered():
    assert wanted_orders(("BTC",), decided(1.0004), {"BTC": Decimal(1)}, lots={"BTC": Decimal("0.001")}) == ()


def test_a_turn_of_side_says_which_part_closes():
    (one,) = wanted_orders(("BTC",), decided(-2.0), {"BTC": Decimal(3)})
    assert (one.side, one.qty, one.closing, one.opens) == (Side.SELL, Decimal(5), Decimal(3), True)


@given(amounts, amounts, st.floats(0.0, 500.0))
def test_what_no_venue_takes_is_not_ordered(held, target, smallest):
    row = np.array([float(target)])
    at_five = Decided(0, 1.0, row, row, row, row, row, np.array([5.0]))
    every = wanted_orders(("BTC",), at_five, {"BTC": held})
    kept = wanted_orders(("BTC",), at_five, {"BTC": held}, smallest_quote=smallest)
    assert kept == tuple(one for one in every if float(one.qty) * 5.0 >= smallest)
