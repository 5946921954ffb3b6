import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.backtest.tape import fills_of, trades_of
from marketsentry.kernels import replay as kernel

QUANTITIES = (-2.0, -1.0, 1.0, 2.0, 3.0)
steps_any = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(QUANTITIES), st.floats(50, 150), st.floats(0, 2)),
    max_size=25,
)


def _tape(steps):
    tape = np.zeros((len(steps), kernel.FILL_FIELDS))
    for row, (n, qty, price, fee) in zip(tape, steps, strict=True):
        row[kernel.FILL_SYMBOL], row[kernel.FILL_QTY], row[kernel.FILL_PRICE] = n, qty, price
        row[kernel.FILL_REFERENCE], row[kernel.FILL_FEE] = price, fee
    tape[:, kernel.FILL_BAR] = np.arange(len(steps))
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
