"""Rates of funding on the grid of a panel: what each bar charges, and where that is not known.

A rate belongs to the bar that ends with or after the charge. Venues charge at least every eight hours; where the
record has no rate for longer, the charges in between are due and unknown. A venue that charges more often and
whose rates are missing for less than that is not noticed.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.features.context import NS_PER_HOUR, KnownSeries
from marketsentry.core.market.bars import BarPanel, BarState
from marketsentry.kernels.margin import DUE_UNKNOWN, RATE_UNKNOWN

LONGEST_PERIOD_NS = 8 * NS_PER_HOUR
MAX_UNKNOWN_FRAC = 0.02  # of the bars of a perpetual that may be replayed
JITTER_NS = NS_PER_HOUR // 60  # venues stamp a charge some milliseconds after the hour


def funding_of_bars(panel: BarPanel, rates: Mapping[str, KnownSeries]) -> NDArray[np.float64]:
    """Lay rates of funding on the bars of perpetuals.

    Parameters
    ----------
    panel
        The bars, T rows of N perpetuals.
    rates
        By symbol, each rate with the time of its charge, UTC epoch ns, which is when it is known. A symbol that is not
        there has no known rate.

    Returns
    -------
    ndarray of shape (T, N)
        Sum of the rates charged in (open, close] of each bar, 0 where none is due. Infinity where a charge is due whose
        rate is unknown, NaN on the bars after it until a rate is known again.
    """
    out = np.zeros((panel.n_bars, len(panel.symbols)))
    for n, symbol in enumerate(panel.symbols):
        series = rates.get(symbol, KnownSeries(np.empty(0, dtype=np.int64), np.empty(0)))
        known_ns = _on_time(series)
        _charge(out[:, n], known_ns, series.values, panel)
        _mark_unknown(out[:, n], known_ns, panel)
    return out


def with_funding(panel: BarPanel, rates: Mapping[str, KnownSeries]) -> BarPanel:
    """Put the rates of funding beside the bars of perpetuals, as `funding_of_bars` lays them."""
    return replace(panel, funding=funding_of_bars(panel, rates))


def unknown_funding(panel: BarPanel) -> dict[str, str]:
    """Say by symbol why too few of its rates are known to replay it.

    Parameters
    ----------
    panel
        Perpetuals with their rates.

    Returns
    -------
    dict of str to str
        Empty where the rate of every symbol is known on all but `MAX_UNKNOWN_FRAC` of the bars while it was listed.
    """
    assert panel.funding is not None
    found = {}
    for n, symbol in enumerate(panel.symbols):
        listed = panel.state[:, n] != BarState.UNLISTED
        share = float(missing_share(panel.funding[listed, n : n + 1])[0])
        if not share <= MAX_UNKNOWN_FRAC:
            found[symbol] = (
                f"the rate of funding of {symbol} is unknown on {share:.1%} of the bars in the window, may be on "
                f"{MAX_UNKNOWN_FRAC:.0%}; see `ms data import`"
            )
    return found


def missing_share(funding: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the bars of each target (N,) on which the rate of funding is not known."""
    share: NDArray[np.float64] = np.mean(~np.isfinite(funding), axis=0)
    return share


def holding_cost(
    equity: NDArray[np.float64],
    weights: NDArray[np.float64],
    params: ReplayParams,
    funding: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Tell bar by bar what a replay paid for holding: funding, or the borrowing of short spot positions.

    Parameters
    ----------
    equity
        Shape (T,). Of the replay, at each close, quote currency.
    weights
        Shape (T, N). Of the replay, held at each close.
    params
        Of the replay.
    funding
        Shape (T, N). Rates of the replay; None on spot.

    Returns
    -------
    ndarray of shape (T, N)
        Quote currency, negative where it was received; NaN where a weight is.
    """
    notional = weights * equity[:, None]
    if funding is None:
        borrow_frac = params.rules(with_confidence=False).borrow_frac
        return np.maximum(-notional, 0.0) * borrow_frac
    rates = np.where(np.isfinite(funding), funding, 0.0)
    punished = np.where(np.isposinf(funding), 1e-4 * params.missing_funding_bps, 0.0)
    paid: NDArray[np.float64] = notional * rates + np.abs(notional) * punished
    return paid


def _charge(
    column: NDArray[np.float64], known_ns: NDArray[np.int64], rates: NDArray[np.float64], panel: BarPanel
) -> None:
    rows = _row_of(known_ns, panel)
    inside = (rows >= 0) & (rows < panel.n_bars)
    np.add.at(column, rows[inside], rates[inside])


def _mark_unknown(column: NDArray[np.float64], known_ns: NDArray[np.int64], panel: BarPanel) -> None:
    """Mark what is due before the first known charge, between two that are too far apart, and after the last."""
    closes, stop_ns = panel.known_at_ns, int(panel.known_at_ns[-1]) + 1
    first_ns = int(known_ns[0]) if known_ns.size else -(-stop_ns // LONGEST_PERIOD_NS) * LONGEST_PERIOD_NS
    due = np.arange(first_ns - LONGEST_PERIOD_NS, int(panel.ts_ns[0]), -LONGEST_PERIOD_NS, dtype=np.int64)
    _mark(column, due, closes < first_ns, panel)
    edges = np.append(known_ns, stop_ns)
    for k in np.flatnonzero(np.diff(edges) > LONGEST_PERIOD_NS):
        due = np.arange(edges[k] + LONGEST_PERIOD_NS, edges[k + 1], LONGEST_PERIOD_NS, dtype=np.int64)
        _mark(column, due, (closes >= due[0]) & (closes < edges[k + 1]), panel)


def _mark(
    column: NDArray[np.float64], due_ns: NDArray[np.int64], unknown: NDArray[np.bool_], panel: BarPanel
) -> None:
    column[unknown] = RATE_UNKNOWN
    rows = _row_of(due_ns, panel)
    column[rows[(rows >= 0) & (rows < panel.n_bars)]] = DUE_UNKNOWN


def _on_time(series: KnownSeries) -> NDArray[np.int64]:
    """Times of the charges without the jitter of the venue's stamp."""
    hours = (series.known_at_ns + JITTER_NS) // NS_PER_HOUR * NS_PER_HOUR
    times: NDArray[np.int64] = np.where(
        np.abs(series.known_at_ns - hours) <= JITTER_NS, hours, series.known_at_ns
    )
    return times


def _row_of(times_ns: NDArray[np.int64], panel: BarPanel) -> NDArray[np.int64]:
    """Row of the bar with ``open < time <= close``; outside 0..T-1 where there is none."""
    rows: NDArray[np.int64] = -((panel.ts_ns[0] - times_ns) // panel.interval.ns) - 1
    return rows
