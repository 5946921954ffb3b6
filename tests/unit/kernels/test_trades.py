import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.backtest.tape import fills_of, trades_of
from marketsentry.kernels import sweep
from marketsentry.kernels.tape import (
    FILL_BAR,
    FILL_FEE,
    FILL_FIELDS,
    FILL_PRICE,
    FILL_QTY,
    FILL_REFERENCE,
    FILL_SYMBOL,
)

QUANTITIES = (-2.0, -1.0, 1.0, 2.0, 3.0)
steps_any = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(QUANTITIES), st.floats(50, 150), st.floats(0, 2)),
    max_size=25,
)


def _tape(steps):
    tape = np.zeros((len(steps), FILL_FIELDS))
    for row, (n, qty, price, fee) in zip(tape, steps, strict=True):
        row[FILL_SYMBOL], row[FILL_QTY], row[FILL_PRICE] = n, qty, price
        row[FILL_REFERENCE], row[FILL_FEE] = price, fee
    tape[:, FILL_BAR] = np.arange(len(steps))
    return tape


def _naive(steps, marks):
    """Unit by unit, oldest side first: (entered, gain) of every round trip, by symbol."""
    trips, live = [], {}
    for n, qty, price, fee in steps:
        unit, share = np.sign(qty), fee / abs(qty)
        for _ in range(int(abs(qty))):
            trip = live.setdefault(n, {"n": n, "side": unit, "held": 0.0, "entered": 0.0, "gain": 0.0})
            trip["held"] += unit
            trip["entered"] += unit == trip["side"]
            trip["gain"] -= unit * price + share
            if trip["held"] == 0:
                trips.append(live.pop(n))
    for n in sorted(live):
        live[n]["gain"] += live[n]["held"] * marks[n]
        trips.append(live[n])
    return trips


@settings(deadline=None)
@given(steps_any)
def test_round_trips_agree_with_counting_units(steps):
    marks = np.array([100.0, 90.0])
    trades = trades_of(_tape(steps), marks, np.zeros(marks.size))
    expected = _naive(steps, marks)
    assert len(trades) == len(expected)
    for trade, trip in zip(trades, expected, strict=True):
        assert trade["symbol"] == trip["n"]
        assert trade["side"] == trip["side"]
        assert trade["qty"] == pytest.approx(trip["entered"])
        assert trade["pnl_quote"] == pytest.approx(trip["gain"], abs=1e-9)
        assert (trade["exit_bar"] == -1) == (trip["held"] != 0)


@settings(deadline=None)
@given(
    goals=st.lists(st.tuples(st.integers(-9, 9), st.floats(50, 150)), min_size=1, max_size=25),
    lot=st.sampled_from([0.1, 0.3, 1 / 3, 1e-9, 0.7e6]),
)
def test_the_rounding_of_quantities_makes_no_trades(goals, lot):
    """An account that goes from goal to goal in lots that no float holds has the trades of one that counts them."""
    fills, held = [], 0
    for goal, price in goals:
        if goal != held:
            fills.append((held, goal, price))
        held = goal
    marks = np.array([100.0])
    tape = _tape([(0, after * lot - before * lot, price, 0.0) for before, after, price in fills])
    trades = trades_of(tape, marks, np.zeros(1))
    expected = _naive([(0, float(after - before), price, 0.0) for before, after, price in fills], marks)
    assert len(trades) == len(expected)
    for trade, trip in zip(trades, expected, strict=True):
        assert trade["side"] == trip["side"]
        assert trade["qty"] == pytest.approx(trip["entered"] * lot)
        assert (trade["exit_bar"] == -1) == (trip["held"] != 0)
    positions = np.zeros((1, sweep.OPEN_FIELDS))
    assert sum(sweep._is_entry(tape, i, positions) for i in range(len(tape))) == len(expected)


def test_the_rest_of_a_closing_fill_is_charged_to_the_trade_it_closes():
    assert 0.1 + 0.2 > 0.3
    steps = [(0, 0.1, 100.0, 1.0), (0, 0.2, 100.0, 1.0), (0, -0.3, 100.0, 1.0)]
    trades = trades_of(_tape(steps), np.array([100.0]), np.zeros(1))
    assert trades["exit_bar"].tolist() == [2]
    assert trades["fee_quote"].tolist() == [3.0]
    over = trades_of(
        _tape([(0, 0.3, 100.0, 1.0), (0, -(0.1 + 0.2), 100.0, 3.0)]), np.array([100.0]), np.zeros(1)
    )
    assert over["exit_bar"].tolist() == [1]
    assert over["fee_quote"].tolist() == [4.0]


def test_a_turn_closes_one_trade_and_opens_the_next():
    trades = trades_of(
        _tape([(0, 2.0, 100.0, 1.0), (0, -3.0, 110.0, 3.0)]), np.array([105.0, 0.0]), np.zeros(2)
    )
    assert trades["side"].tolist() == [1, -1]
    assert trades["fee_quote"].tolist() == pytest.approx([1.0 + 2.0, 1.0])
    assert trades["pnl_quote"].tolist() == pytest.approx([20.0 - 3.0, 5.0 - 1.0])
    assert trades["exit_bar"].tolist() == [1, -1]


def test_fills_carry_side_and_positive_quantity():
    fills = fills_of(_tape([(1, -2.0, 100.0, 1.0)]))
    assert fills["side"][0] == -1
    assert fills["qty"][0] == 2.0
    assert fills["symbol"][0] == 1
