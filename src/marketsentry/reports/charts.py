"""Drawings that several parts of a report share: one small curve per symbol, bars in tables, legends, time labels."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.reports import svg
from marketsentry.reports.facts import EquityCurve, Lang, SymbolFacts
from marketsentry.reports.markup import Markup, element
from marketsentry.reports.numbers import money, tick_time
from marketsentry.reports.scales import Scale, linear_scale, thin, time_ticks
from marketsentry.reports.texts import Texts

MAX_POINTS = 2000
MAX_SMALL_POINTS = 240


def drawdown_frac(equity_quote: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive fraction by which equity stands below its highest value so far; NaN where it is unknown."""
    peak = np.fmax.accumulate(equity_quote)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(peak > 0, 1.0 - equity_quote / peak, np.nan)


def thinned_rows(curve: EquityCurve) -> NDArray[np.int64]:
    """The rows of a curve that the chart draws."""
    return thin(
        np.stack([curve.equity_quote, drawdown_frac(curve.equity_quote)], axis=1), max_points=MAX_POINTS
    )


def symbol_charts(
    ts_ns: NDArray[np.int64], symbols: tuple[SymbolFacts, ...], *, text: Texts, lang: Lang
) -> list[Markup]:
    """Draw the cumulated PnL of every symbol that has a curve, all on one value axis so that they compare."""
    curves = [
        (s, s.pnl_curve_quote) for s in symbols if s.pnl_curve_quote is not None and s.pnl_curve_quote.size
    ]
    if not curves:
        return []
    scale = linear_scale(np.concatenate([c for _, c in curves]), n_ticks=3, include=0.0)
    return [_symbol_chart(s.symbol, ts_ns, c, scale, text=text, lang=lang) for s, c in curves]


def signed_bar(value: float | None, values: list[float | None]) -> Markup | None:
    """A bar for `value` on an axis that holds zero and all `values`; nothing where the value is missing."""
    known = [v for v in values if v is not None and np.isfinite(v)]
    if value is None or not np.isfinite(value):
        return None
    low, high = min(0.0, *known, 0.0), max(0.0, *known, 0.0)
    return svg.bar(*_places((0.0, value, 0.0), low, high), css="gain" if value >= 0 else "loss")


def waterfall(steps: list[tuple[float, float, str]]) -> list[Markup]:
    """Bars from one running total to the next, `(from, to, class)`, on one axis that holds zero."""
    ends = [v for start, stop, _ in steps for v in (start, stop)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    return [svg.bar(*_places((start, stop, 0.0), low, high), css=css) for start, stop, css in steps]


def tone(value: float | None) -> str:
    """The class that colours a number as gain or loss; none for zero and for what is missing."""
    if value is None or not np.isfinite(value) or value == 0:
        return ""
    return "gain" if value > 0 else "loss"


def legend(*entries: tuple[str, str]) -> Markup:
    """Tell which line is which: (class of the line, name)."""
    items = [
        element("li", element("span", class_=f"key {css}", aria_hidden="true"), name) for css, name in entries
    ]
    return element("ul", *items, class_="legend")


def time_labels(ts_ns: NDArray[np.int64], lang: Lang, *, n_ticks: int) -> tuple[tuple[int, str], ...]:
    """Ticks of a time axis with their labels."""
    chosen = time_ticks(int(ts_ns[0]), int(ts_ns[-1]), n_ticks=n_ticks)
    return tuple((at, tick_time(at, chosen.grain, lang)) for at in chosen.ts_ns)


def _places(values: tuple[float, float, float], low: float, high: float) -> tuple[float, float, float]:
    span = (high - low) or 1.0
    first, second, zero = ((v - low) / span for v in values)
    return first, second, zero


def _symbol_chart(
    symbol: str,
    ts_ns: NDArray[np.int64],
    curve: NDArray[np.float64],
    scale: Scale,
    *,
    text: Texts,
    lang: Lang,
) -> Markup:
    rows = thin(curve, max_points=MAX_SMALL_POINTS)
    series = svg.Series(text("symbols.cumulative"), curve[rows], "money", "equity", fill_from=0.0)
    panel = svg.Panel(height=96, scale=scale, tick_text=money, series=(series,), baseline=0.0)
    ticks = time_labels(ts_ns[rows], lang, n_ticks=4)
    return svg.draw(svg.TimeChart(ts_ns[rows], (panel,), ticks, label=symbol, css="small"))
