"""The drawings of a backtest report: equity over drawdown, one small curve per symbol, bars."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from marketsentry.reports import svg
from marketsentry.reports.facts import EquityCurve, FoldFacts, Lang, SymbolFacts
from marketsentry.reports.markup import Markup
from marketsentry.reports.numbers import money, number, percent, tick_time
from marketsentry.reports.scales import Scale, linear_scale, thin, time_ticks, value_scale
from marketsentry.reports.texts import Texts

MAX_POINTS = 2000
MAX_SMALL_POINTS = 240
MIN_WIDTH_OF_WORDS = 0.085
MIN_WIDTH_OF_NUMBER = 0.025


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


def equity_chart(
    curve: EquityCurve, folds: tuple[FoldFacts, ...], *, capital_quote: float, text: Texts, lang: Lang
) -> Markup:
    """Draw equity over its drawdown with the folds shaded. The curve has at least one bar."""
    down = drawdown_frac(curve.equity_quote)
    rows = thinned_rows(curve)
    ts_ns, equity = curve.ts_ns[rows], curve.equity_quote[rows]
    equity_panel = svg.Panel(
        height=280,
        scale=value_scale(curve.equity_quote, include=capital_quote),
        tick_text=money,
        series=(
            svg.Series(text("equity.equity"), equity, "money", "equity"),
            svg.Series(
                text("equity.return"), equity / capital_quote - 1.0, "signed", "return", is_drawn=False
            ),
        ),
        baseline=capital_quote,
    )
    depth_scale = linear_scale(-down, n_ticks=3, include=0.0)
    depth_panel = svg.Panel(
        height=110,
        scale=depth_scale,
        tick_text=_depth_text(depth_scale.ticks),
        series=(svg.Series(text("equity.drawdown"), -down[rows], "percent", "loss", fill_from=0.0),),
    )
    known = curve.equity_quote[np.isfinite(curve.equity_quote)]
    label = text(
        "equity.aria",
        start=money(float(known[0]) if known.size else None),
        end=money(float(known[-1]) if known.size else None),
        drawdown=percent(float(np.nanmax(down)) if known.size else None),
    )
    return svg.draw(
        svg.TimeChart(
            ts_ns=ts_ns,
            panels=(equity_panel, depth_panel),
            ticks=time_labels(ts_ns, lang, n_ticks=7),
            label=label,
            spans=tuple(_fold_span(f, i, _width_frac(f, ts_ns), text) for i, f in enumerate(folds)),
            head=54 if folds else 8,
            css="main",
        )
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


def _fold_span(fold: FoldFacts, i: int, width_frac: float, text: Texts) -> svg.Span:
    name = text("folds.final") if fold.is_final else f"{text('folds.fold')} {fold.index + 1}"
    ic = f"IC {number(fold.ic, signed=True)}"
    pnl = percent(fold.pnl_frac, digits=1, signed=True)
    return svg.Span(
        fold.test_start_ns,
        fold.test_end_ns,
        css="final" if fold.is_final else ("odd" if i % 2 else "even"),
        summary=f"{name} · {ic} · {pnl}",
        lines=_fold_lines(fold, (name, ic, pnl), width_frac),
    )


def _width_frac(fold: FoldFacts, ts_ns: NDArray[np.int64]) -> float:
    """Share of the time axis that a fold takes."""
    span = int(ts_ns[-1]) - int(ts_ns[0])
    return (fold.test_end_ns - fold.test_start_ns) / span if span else 0.0


def _fold_lines(
    fold: FoldFacts, words: tuple[str, str, str], width_frac: float
) -> tuple[tuple[int, str, str], ...]:
    """What fits above a band: name, IC and return; its number alone; or nothing."""
    short = "★" if fold.is_final else str(fold.index + 1)
    if width_frac < MIN_WIDTH_OF_NUMBER:
        return ()
    if width_frac < MIN_WIDTH_OF_WORDS:
        return ((0, "name", short),)
    name, ic, pnl = words
    wide = f"wide {tone(fold.pnl_frac)}".strip()
    return ((0, "name narrow", short), (0, "name wide", name), (1, "wide", ic), (2, wide, pnl))


def time_labels(ts_ns: NDArray[np.int64], lang: Lang, *, n_ticks: int) -> tuple[tuple[int, str], ...]:
    """Round times within a span with their labels."""
    chosen = time_ticks(int(ts_ns[0]), int(ts_ns[-1]), n_ticks=n_ticks)
    return tuple((at, tick_time(at, chosen.grain, lang)) for at in chosen.ts_ns)


def _depth_text(ticks: tuple[float, ...]) -> Callable[[float], str]:
    digits = 0 if all(abs(t * 100 - round(t * 100)) < 1e-9 for t in ticks) else 1
    return lambda value: percent(value, digits=digits)
