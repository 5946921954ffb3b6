"""Returns by UTC calendar month and by day from an equity curve."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from marketsentry.reports.facts import EquityCurve


@dataclass(frozen=True, slots=True)
class MonthReturn:
    """Return of one calendar month as a fraction; None where equity is unknown or not positive before."""

    year: int
    month: int
    return_frac: float | None


def monthly_returns(curve: EquityCurve, *, capital_quote: float) -> list[MonthReturn]:
    """Compound return of every month between its last known equity and that of the month before.

    A value known at midnight belongs to the day that it ends. The first month starts from `capital_quote`; one
    that holds nothing but the capital, as it was before trading began, is left out. Unknown (NaN) equity is
    passed over; a month of nothing else is None.
    """
    return [
        MonthReturn(1970 + month // 12, month % 12 + 1, change)
        for month, change in _period_returns(curve, "M", capital_quote=capital_quote)
    ]


def daily_returns(curve: EquityCurve, *, capital_quote: float) -> list[float | None]:
    """Return of every UTC day, by the same rules."""
    return [change for _, change in _period_returns(curve, "D", capital_quote=capital_quote)]


def _period_returns(curve: EquityCurve, unit: str, *, capital_quote: float) -> list[tuple[int, float | None]]:
    """Number of the period since 1970 and its return, for months (`M`) or days (`D`)."""
    periods = (curve.ts_ns - 1).astype("datetime64[ns]").astype(f"datetime64[{unit}]").astype(np.int64)
    result: list[tuple[int, float | None]] = []
    before = capital_quote
    first_rows = np.unique(periods, return_index=True)[1]
    if first_rows.size > 1 and first_rows[1] == 1 and curve.equity_quote[0] == capital_quote:
        first_rows = first_rows[1:]
    for first, stop in pairwise([*first_rows, periods.size] if periods.size else []):
        equity = curve.equity_quote[first:stop]
        known = equity[np.isfinite(equity)]
        after = float(known[-1]) if known.size else None
        change = after / before - 1.0 if after is not None and before > 0 else None
        result.append((int(periods[first]), change))
        before = after if after is not None else before
    return result
