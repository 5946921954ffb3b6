"""Parts of the evidence section: what was earned, whether it lasts, whether intervals hold, capacity, sanity."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.evidence.pack import EvidencePack
from marketsentry.core.evidence.parts import (
    Capacity,
    CapacityPoint,
    IntervalEvidence,
    PerformanceRow,
    PerformanceTable,
    Stability,
)
from marketsentry.reports.charts import signed_bar
from marketsentry.reports.evidence_tables import bounds_text, numbers, part, percent_bounds, span_name
from marketsentry.reports.layout import Column, table
from marketsentry.reports.markup import Child, Markup, element, join
from marketsentry.reports.numbers import count, day, money, number, percent
from marketsentry.reports.plane import Dots, Plane, draw_plane
from marketsentry.reports.sanity import sanity_findings
from marketsentry.reports.scales import Scale, linear_scale
from marketsentry.reports.texts import Texts

Floats = NDArray[np.float64]


def more_parts(pack: EvidencePack, text: Texts) -> Markup:
    """Sanity findings, performance, stability, intervals and capacity."""
    return join(
        part(text("evidence.sanity"), sanity_findings(pack.sanity, text)),
        part(text("evidence.performance"), *_performance(pack.performance, text)),
        part(text("evidence.stability"), *_stability(pack.stability, text)),
        part(text("evidence.intervals"), *_intervals(pack.intervals, text)),
        part(text("evidence.capacity"), *_capacity(pack.capacity, text)),
    )


def _performance(found: PerformanceTable, text: Texts) -> tuple[Markup, ...]:
    rows = (found.walk_forward, *found.folds, found.final, *found.symbols)
    money_columns = (
        Column(text("evidence.part")),
        *numbers(text("measure.pnl_after_cost"), text("measure.max_drawdown"), text("measure.sharpe")),
        *numbers(text("evidence.interval"), text("measure.sortino"), text("measure.hit_rate")),
    )
    risk_columns = (
        Column(text("evidence.part")),
        *numbers(text("measure.worst_daily_return"), text("measure.tail_ratio"), text("measure.skewness")),
        *numbers(text("measure.kurtosis"), text("measure.turnover"), text("measure.exposure")),
        *numbers(text("measure.trades")),
    )
    return (
        element("p", text("evidence.performance_lead")),
        table(money_columns, [_money_row(row, text) for row in rows]),
        table(risk_columns, [_risk_row(row, text) for row in rows]),
    )


def _money_row(row: PerformanceRow, text: Texts) -> tuple[Child, ...]:
    return (
        span_name(row.name, text),
        percent(row.pnl_after_cost_frac, signed=True),
        percent(row.max_drawdown_frac),
        number(row.sharpe, digits=2),
        bounds_text(row.sharpe_bounds, 2),
        number(row.sortino, digits=2),
        percent(row.hit_rate, digits=1),
    )


def _risk_row(row: PerformanceRow, text: Texts) -> tuple[Child, ...]:
    return (
        span_name(row.name, text),
        percent(row.worst_daily_return, signed=True),
        number(row.tail_ratio, digits=2),
        number(row.skewness, digits=2),
        number(row.kurtosis, digits=1),
        number(row.turnover, digits=1),
        percent(row.exposure, digits=1),
        count(row.n_trades),
    )


def _stability(found: Stability, text: Texts) -> tuple[Markup | None, ...]:
    values: list[float | None] = [one.ic for one in found.windows]
    told = text(
        "evidence.stability_lead",
        n=len(found.windows),
        bars=count(found.window_bars),
        positive=percent(found.positive_frac, digits=0),
        slope=number(found.trend.slope if found.trend else None, signed=True),
        slope_p=number(found.trend.p_value if found.trend else None, digits=2),
        older=number(found.older_ic, digits=4),
        newer=number(found.newer_ic, digits=4),
        bounds=bounds_text(found.difference_bounds, 3),
        p=number(found.difference_p_value, digits=2),
    )
    columns = (Column(text("evidence.window")), *numbers(text("measure.ic")), Column("", css="wide-cell"))
    rows = [
        (day(one.start_ns), number(one.ic, digits=4), signed_bar(one.ic, values)) for one in found.windows
    ]
    return element("p", told), table(columns, rows) if rows else None


def _intervals(found: IntervalEvidence, text: Texts) -> tuple[Markup | None, ...]:
    if not found.coverage:
        return (element("p", text("evidence.intervals_none")),)
    columns = (
        Column(text("evidence.part")),
        *numbers(text("evidence.nominal"), text("evidence.covered"), text("evidence.interval")),
        *numbers(text("evidence.width"), text("measure.samples")),
    )
    rows = [
        (
            span_name(row.name, text),
            percent(row.level, digits=0),
            percent(row.covered_frac, digits=1),
            percent_bounds(row.covered_bounds, 1),
            percent(row.width_frac),
            count(row.n_samples),
        )
        for row in found.coverage
    ]
    direction = (
        Column(text("evidence.part")),
        *numbers(text("evidence.brier"), text("evidence.base_brier"), text("evidence.brier_gain")),
        *numbers(text("evidence.interval")),
    )
    direction_rows = [
        (
            span_name(row.name, text),
            number(row.brier, digits=4),
            number(row.base_brier, digits=4),
            number(row.gain, digits=4, signed=True),
            bounds_text(row.gain_bounds, 4),
        )
        for row in found.direction
    ]
    return (
        element("p", text("evidence.intervals_lead")),
        table(columns, rows),
        element("p", text("evidence.direction_lead")),
        table(direction, direction_rows),
        _reliability(found, text),
    )


def _reliability(found: IntervalEvidence, text: Texts) -> Markup | None:
    if not found.reliability:
        return None
    bounds = [one.risen_bounds for one in found.reliability]
    dots = Dots(
        np.array([one.said_frac for one in found.reliability]),
        np.array([one.risen_frac for one in found.reliability]),
        np.array([math.nan if one is None else one.low for one in bounds]),
        np.array([math.nan if one is None else one.high for one in bounds]),
    )
    unit = Scale(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))
    plane = Plane(
        unit,
        unit,
        _whole_percent,
        _whole_percent,
        text("evidence.said"),
        text("evidence.reliability"),
        (dots,),
        has_diagonal=True,
        height=240,
    )
    return element("div", _figure(text("evidence.reliability"), plane), class_="multiples")


def _capacity(found: Capacity, text: Texts) -> tuple[Markup, ...]:
    told = text(
        "evidence.capacity_lead",
        half=_reached(found.half_sharpe_capital_quote, text),
        zero=_reached(found.zero_pnl_capital_quote, text),
    )
    columns = (
        *numbers(text("evidence.capital"), text("measure.pnl_after_cost"), text("evidence.pnl_quote")),
        *numbers(text("measure.sharpe"), text("measure.impact"), text("evidence.cut")),
    )
    rows = [
        (
            money(one.capital_quote),
            percent(one.pnl_after_cost_frac, signed=True),
            money(one.pnl_quote, signed=True),
            number(one.sharpe, digits=2),
            percent(one.impact_frac),
            percent(one.cut_frac, digits=1),
        )
        for one in found.points
    ]
    returns = _values([one.pnl_after_cost_frac for one in found.points])
    ratios = _values([one.sharpe for one in found.points])
    planes = element(
        "div",
        _figure(text("measure.pnl_after_cost"), _curve(found.points, returns, _whole_percent, text)),
        _figure(text("measure.sharpe"), _curve(found.points, ratios, lambda v: number(v, digits=1), text)),
        class_="multiples",
    )
    return element("p", told), planes, table(columns, rows)


def _curve(
    points: tuple[CapacityPoint, ...], values: Floats, y_text: Callable[[float], str], text: Texts
) -> Plane:
    capitals = np.array([one.capital_quote for one in points])
    low, high = math.floor(math.log10(capitals[0])), math.ceil(math.log10(capitals[-1]))
    ticks = tuple(10.0**k for k in range(low, high + 1))
    return Plane(
        Scale(ticks[0], ticks[-1], ticks, is_log=True),
        linear_scale(values, n_ticks=4, include=0.0),
        _short_money,
        y_text,
        text("evidence.capital"),
        text("evidence.capacity"),
        (Dots(capitals, values),),
        level=0.0,
    )


def _figure(title: str, plane: Plane) -> Markup:
    return element("figure", element("h4", title), draw_plane(plane))


def _values(values: Sequence[float | None]) -> Floats:
    return np.array([math.nan if one is None else one for one in values])


def _reached(capital_quote: float | None, text: Texts) -> str:
    return text("evidence.not_reached") if capital_quote is None else money(capital_quote)


def _short_money(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _whole_percent(value: float) -> str:
    return percent(value, digits=0)
