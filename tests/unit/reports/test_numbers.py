import math

import pytest

from marketsentry.reports.numbers import (
    MINUS,
    MISSING,
    count,
    measure,
    money,
    number,
    percent,
    percent_tick,
    plain_tick,
    price,
)


@pytest.mark.parametrize("show", [percent, number, count, money, lambda v: measure("ic", v)])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_reads_as_a_dash(show, value):
    assert show(value) == MISSING


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (percent(0.12345), "12.35%"),
        (percent(-0.5, signed=True), f"{MINUS}50.00%"),
        (percent(0.031, digits=1, signed=True), "+3.1%"),
        (percent(-0.0000001), "0.00%"),
        (number(0.00001), "1.00e-05"),
        (number(1234.5678), "1,234.568"),
        (count(1234567.0), "1,234,567"),
        (money(99.5), "99.50"),
        (money(-123456.7, signed=True), f"{MINUS}123,457"),
        (money(45_600_000.0), "45.6M"),
        (money(0.0), "0"),
        (measure("max_drawdown_frac", 0.2), "20.00%"),
        (measure("fee_bps", 5.0), "5.00 bps"),
        (measure("n_folds", 5.0), "5"),
        (measure("capital_quote", 100_000.0), "100,000"),
        (measure("sharpe", 1.5), "1.500"),
    ],
)
def test_numbers_carry_their_unit(shown, expected):
    assert shown == expected


def test_prices_keep_six_digits_and_at_least_cents():
    assert price(42_123.5) == "42,123.50"
    assert price(0.0812345) == "0.0812345"
    assert price(100.123456) == "100.123"
    assert price(None) == price(float("nan")) == MISSING
    assert price(0.0) == "0"


def test_ticks_have_the_digits_that_tell_them_apart():
    assert [plain_tick((0.0, 2.5, 5.0))(v) for v in (0.0, 2.5)] == ["0.0", "2.5"]
    assert [plain_tick((-1_000.0, 0.0))(v) for v in (-1_000.0, 0.0)] == ["\u22121,000", "0"]
    assert percent_tick((-0.06, -0.04))(-0.06) == "\u22126%"
    assert percent_tick((0.0, 0.0025))(0.0025) == "0.25%"
