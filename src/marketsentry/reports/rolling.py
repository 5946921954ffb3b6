"""How steady an account was: rolling Sharpe ratio, exposure and turnover, and the distribution of its days."""

import math

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.rolling import rolling_mean, rolling_sharpe
from marketsentry.reports import plot, svg
from marketsentry.reports.charts import legend, time_labels
from marketsentry.reports.facts import Lang, RunFacts
from marketsentry.reports.layout import pairs, section
from marketsentry.reports.markup import Markup, element
from marketsentry.reports.months import daily_returns
from marketsentry.reports.numbers import count, number, percent, percent_tick, plain_tick
from marketsentry.reports.scales import linear_scale
from marketsentry.reports.texts import Texts

N_POINTS = 240
SHORT_DAYS, LONG_DAYS = 30, 90
MIN_DAYS = 20
DAY_NS = 86_400_000_000_000

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def rolling_section(run: RunFacts, text: Texts, lang: Lang) -> Markup | None:
    """Rolling figures over the last 30 and 90 days; nothing for a run shorter than 30 days."""
    window_bars = _bars_in(run, SHORT_DAYS)
    year = run.metrics.get("periods_per_year")
    if window_bars is None or window_bars < 2 or run.curve.n_bars <= window_bars + 1 or not year:
        return None
    rows = np.unique(np.linspace(window_bars, run.curve.n_bars - 1, N_POINTS).astype(np.int64))
    ts_ns = run.curve.ts_ns[rows]
    panels = [_sharpe_panel(run, rows, float(year), text)]
    if run.activity is not None:
        panels.append(_mean_panel("exposure", run.activity.gross_frac, rows, window_bars, 1.0, text))
        a_day = window_bars / SHORT_DAYS
        panels.append(_mean_panel("turnover", run.activity.traded_frac, rows, window_bars, a_day, text))
    chart = svg.TimeChart(
        ts_ns,
        tuple(panels),
        time_labels(ts_ns, lang, n_ticks=7),
        label=text("rolling.aria"),
        head=26,
        gap=40,
    )
    has_long = len(panels[0].ribbons) > 1
    entries = [("equity", text("rolling.days", n=SHORT_DAYS))]
    entries += [("second", text("rolling.days", n=LONG_DAYS))] if has_long else []
    entries.append(("likely", text("rolling.error")))
    return section(
        text("rolling.title"),
        legend(*entries),
        svg.draw(chart),
        None if has_long else element("p", text("rolling.no_long", n=LONG_DAYS), class_="caption"),
        lead=text("rolling.lead", n=SHORT_DAYS),
        is_whole=True,
    )


def days_section(run: RunFacts, text: Texts) -> Markup | None:
    """Histogram of daily returns under the normal curve of the same mean and deviation; nothing below 20 days."""
    known = [one for one in daily_returns(run.curve, capital_quote=run.capital_quote) if one is not None]
    returns = np.array(known)
    if returns.size < MIN_DAYS or not np.ptp(returns) > 0:
        return None
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    edges = histogram_edges(returns)
    counts = np.histogram(returns, edges)[0].astype(np.float64)
    across = linear_scale(edges, n_ticks=6)
    points = np.linspace(across.low, across.high, 160)
    z = (points - mean) / deviation
    normal = (
        returns.size * (edges[1] - edges[0]) * np.exp(-0.5 * z * z) / (deviation * math.sqrt(2 * math.pi))
    )
    up = linear_scale(np.concatenate((counts, normal)), n_ticks=4, include=0.0)
    axes = plot.Axes(200, up, plain_tick(up.ticks), text("days.title"), across, percent_tick(across.ticks))
    drawn = plot.draw_plot(axes, plot.bins(axes, edges, counts), plot.line(axes, points, normal, "normal"))
    return section(
        text("days.title"),
        legend(("bins", text("days.bins")), ("normal", text("days.normal"))),
        element("div", drawn, pairs(_figures(returns, mean, deviation, text)), class_="duo"),
        lead=text("days.lead"),
        is_whole=True,
    )


def histogram_edges(values: Floats) -> Floats:
    """Edges of equal bins by the rule of Freedman and Diaconis, 8 to 60 of them, over all values.

    The width is ``2 IQR / n^(1/3)``; where the quartiles coincide, the span over the root of the count.
    """
    span = float(np.ptp(values))
    quarter, three_quarters = np.quantile(values, (0.25, 0.75))
    width = 2.0 * float(three_quarters - quarter) / math.cbrt(values.size)
    wanted = math.ceil(span / width) if width > 0 else math.ceil(math.sqrt(values.size))
    return np.linspace(values.min(), values.max(), min(max(wanted, 8), 60) + 1)


def _figures(returns: Floats, mean: float, deviation: float, text: Texts) -> list[tuple[str, str]]:
    z = (returns - mean) / float(returns.std())
    return [
        (text("days.count"), count(returns.size)),
        (text("days.mean"), percent(mean, digits=3, signed=True)),
        (text("days.deviation"), percent(deviation)),
        (text("days.up"), percent(float((returns > 0).mean()), digits=1)),
        (text("days.best"), percent(float(returns.max()), signed=True)),
        (text("days.worst"), percent(float(returns.min()), signed=True)),
        (text("days.skew"), number(float(np.mean(z**3)), digits=2, signed=True)),
        (text("days.kurtosis"), number(float(np.mean(z**4)) - 3.0, digits=2, signed=True)),
    ]


def _sharpe_panel(run: RunFacts, rows: Rows, year: float, text: Texts) -> svg.Panel:
    equity = run.curve.equity_quote
    returns = np.full(equity.size, np.nan)
    np.divide(equity[1:], equity[:-1], out=returns[1:], where=equity[:-1] > 0)
    returns -= 1.0
    ribbons, series, all_values = [], [], []
    for days, css, tint in ((SHORT_DAYS, "equity", "likely"), (LONG_DAYS, "second", "second")):
        window_bars = _bars_in(run, days)
        if window_bars is None or run.curve.n_bars <= window_bars + 1:
            continue
        # The first row is the capital before the first return.
        found = rolling_sharpe(returns[1:], rows=rows - 1, window_bars=window_bars, periods_per_year=year)
        low, high = found.ratio - found.standard_error, found.ratio + found.standard_error
        ribbons.append(svg.Ribbon(low, high, tint))
        series.append(svg.Series(text("rolling.days", n=days), found.ratio, "number", css))
        series.append(
            svg.Series(text("rolling.error_of", n=days), found.standard_error, "number", css, is_drawn=False)
        )
        all_values += [low, high]
    scale = linear_scale(np.concatenate(all_values), include=0.0)
    return svg.Panel(
        200,
        scale,
        plain_tick(scale.ticks),
        tuple(series),
        baseline=0.0,
        ribbons=tuple(ribbons),
        title=text("measure.sharpe"),
    )


def _mean_panel(
    name: str, values: Floats, rows: Rows, window_bars: int, factor: float, text: Texts
) -> svg.Panel:
    means = factor * rolling_mean(values, rows=rows, window_bars=window_bars)
    scale = linear_scale(means, n_ticks=3, include=0.0)
    series = svg.Series(text(f"rolling.{name}"), means, "percent", "equity", fill_from=0.0)
    return svg.Panel(84, scale, percent_tick(scale.ticks), (series,), title=text(f"rolling.{name}"))


def _bars_in(run: RunFacts, days: int) -> int | None:
    """Bars of the curve in so many days, from the distance of its first two rows."""
    ts_ns = run.curve.ts_ns
    return int(days * DAY_NS // (ts_ns[1] - ts_ns[0])) if ts_ns.size > 1 else None
