import numpy as np
import pytest

from marketsentry.reports.facts import EquityCurve
from marketsentry.reports.months import monthly_returns


def curve(days, equity):
    return EquityCurve(
        np.array(days, dtype="datetime64[ns]").astype(np.int64), np.array(equity, dtype=np.float64)
    )


def test_months_compound_to_the_whole_return():
    rows = monthly_returns(
        curve(["2024-12-30", "2024-12-31", "2025-01-10", "2025-02-02"], [100.0, 110.0, 99.0, 120.0]),
        capital_quote=100.0,
    )
    assert [(r.year, r.month) for r in rows] == [(2024, 12), (2025, 1), (2025, 2)]
    assert [r.return_frac for r in rows] == pytest.approx([0.1, -0.1, 120 / 99 - 1])


def test_unknown_months_are_unknown_and_lose_nothing():
    rows = monthly_returns(
        curve(["2024-01-02", "2024-02-02", "2024-03-02"], [110.0, np.nan, 121.0]), capital_quote=100.0
    )
    assert [r.return_frac for r in rows] == [pytest.approx(0.1), None, pytest.approx(0.1)]


def test_no_return_is_made_from_an_empty_account():
    rows = monthly_returns(
        curve(["2024-01-02", "2024-01-03", "2024-02-02"], [0.0, 0.0, 50.0]), capital_quote=100.0
    )
    assert [r.return_frac for r in rows] == [pytest.approx(-1.0), None]


def test_midnight_belongs_to_the_month_that_it_ends():
    rows = monthly_returns(
        curve(["2024-02-01", "2024-02-10", "2024-03-01"], [100.0, 105.0, 110.0]), capital_quote=100.0
    )
    assert [(r.month, r.return_frac) for r in rows] == [(2, pytest.approx(0.1))]
