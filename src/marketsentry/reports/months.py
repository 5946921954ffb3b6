"""Returns by UTC calendar month from an equity curve."""

from dataclasses import dataclass

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

    The first month starts from `capital_quote`. Unknown (NaN) equity is passed over; a month of nothing else
    is None.
    """
    months = curve.ts_ns.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    result: list[MonthReturn] = []
    before = capital_quote
    for month in np.unique(months):
        equity = curve.equity_quote[months == month]
        known = equity[np.isfinite(equity)]
        after = float(known[-1]) if known.size else None
        change = after / before - 1.0 if after is not None and before > 0 else None
        result.append(MonthReturn(1970 + int(month) // 12, int(month) % 12 + 1, change))
        before = after if after is not None else before
    return result
