import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.kernels import account as acc

moves = st.lists(st.tuples(st.floats(-50, 50), st.floats(1, 200)), min_size=1, max_size=20)


def _open(capital=1_000.0):
    book, account = np.zeros((1, acc.BOOK_FIELDS)), np.zeros(acc.ACCOUNT_FIELDS)
    account[[acc.CASH, acc.EQUITY, acc.PEAK, acc.DAY_START]] = capital
    account[acc.DAY_END] = -np.inf
    return book, account


@settings(deadline=None)
@given(moves)
def test_gains_realised_and_open_are_what_cash_says(steps):
    book, account = _open()
    flow = 0.0
    for change, price in steps:
        old = book[0, acc.QTY]
        if change == 0:
            continue
        acc.apply_fill(book, account, 0, old + change, price, price, 1.0, 0.0, 0.0)
        signed = book[0, acc.QTY] - old
        flow -= signed * price + 1.0
        book[0, acc.MARK_PRICE] = price
    assert account[acc.CASH] == pytest.approx(1_000.0 + flow, abs=1e-6)
    equity = account[acc.CASH] + book[0, acc.QTY] * book[0, acc.MARK_PRICE]
    gain = book[0, acc.REALISED] + acc.unrealised(book, 0) - book[0, acc.FEE]
    assert equity == pytest.approx(1_000.0 + gain, abs=1e-6)


def test_average_price_of_adding_reducing_and_turning():
    book, account = _open()
    for qty, price in ((10.0, 100.0), (20.0, 110.0)):
        acc.apply_fill(book, account, 0, qty, price, price, 0.0, 0.0, 0.0)
    assert book[0, acc.AVG_PRICE] == pytest.approx(105.0)
    acc.apply_fill(book, account, 0, 5.0, 120.0, 120.0, 0.0, 0.0, 0.0)
    assert book[0, acc.AVG_PRICE] == pytest.approx(105.0)
    assert book[0, acc.REALISED] == pytest.approx(15 * 15.0)
    acc.apply_fill(book, account, 0, -5.0, 90.0, 90.0, 0.0, 0.0, 0.0)
    assert book[0, acc.AVG_PRICE] == 90.0
    assert book[0, acc.REALISED] == pytest.approx(15 * 15.0 - 5 * 15.0)
    acc.apply_fill(book, account, 0, 0.0, 80.0, 80.0, 0.0, 0.0, 0.0)
    assert book[0, acc.AVG_PRICE] == 0.0
    assert acc.unrealised(book, 0) == 0.0


def test_the_day_starts_with_the_equity_of_the_night():
    _, account = _open()
    hour = 3_600_000_000_000
    for k, equity in enumerate((1_000.0, 1_100.0, 1_045.0)):
        acc.record_equity(account, equity, acc.DAY_NS * 5 + (22 + k) * hour)
    assert account[acc.DAY_START] == 1_100.0
    assert account[acc.WORST_DAY] == pytest.approx(0.05)
    assert account[acc.PEAK] == 1_100.0
