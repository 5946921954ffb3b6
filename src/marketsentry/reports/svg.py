"""A small drawing module: time charts of stacked panels that stretch to any width, and bars for table cells.

Horizontal places are percentages and lines do not scale, so one drawing serves a wide screen, a telephone and
paper: curves lie in a nested, stretched coordinate system 1000 units wide, texts and ticks outside it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.reports.markup import Markup, element, join
from marketsentry.reports.numbers import minute
from marketsentry.reports.scales import Scale

WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: `values` (n,) with NaN where there is none, `kind` is money or percent, `css` its class.

    With `fill_from` the area between the curve and that value is filled.
    """

    label: str
    values: NDArray[np.float64]
    kind: str
    css: str
    fill_from: float | None = None
    is_drawn: bool = True


@dataclass(frozen=True, slots=True)
class Ribbon:
    """The area between two curves (n,) over the points of the chart, NaN where there is none."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    css: str


@dataclass(frozen=True, slots=True)
class Candles:
    """Candles at the points of the chart: `values` (n, 4) open, high, low, close; each takes `width_ns` of the axis."""

    values: NDArray[np.float64]
    width_ns: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign of fixed size at a place: `shape` is a key of `SHAPES`, `text` stands beside it."""

    ts_ns: int
    value: float
    css: str
    shape: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A dashed line between two places, each (time, value)."""

    start: tuple[int, float]
    end: tuple[int, float]
    css: str


SHAPES = {
    "up": "M0 3l5 9h-10z",
    "down": "M0 -3l5 -9h-10z",
    "cross": "M-4 -4l8 8M4 -4l-8 8",
    "dot": "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """A plot over the shared time axis. `baseline` is a value that gets a dashed line."""

    height: int
    scale: Scale
    tick_text: Callable[[float], str]
    series: tuple[Series, ...]
    baseline: float | None = None
    ribbons: tuple[Ribbon, ...] = ()
    candles: Candles | None = None
    marks: tuple[Mark, ...] = ()
    links: tuple[Link, ...] = ()
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A shaded stretch of time: `lines` are (row, class, text) above it, `summary` stands in the read-out."""

    start_ns: int
    end_ns: int
    css: str
    summary: str
    lines: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TimeChart:
    """Panels over one time axis. `ts_ns` (n,) are the times of the points, `ticks` (time, label) pairs.

    `extent_ns` are the ends of the axis, those of the points if it is not given; `named_ns` (n,) the times by which the
    read-out calls the points, themselves if it is not given.
    """

    ts_ns: NDArray[np.int64]
    panels: tuple[Panel, ...]
    ticks: tuple[tuple[int, str], ...]
    label: str
    spans: tuple[Span, ...] = ()
    head: int = 8
    gap: int = 26
    css: str = ""
    extent_ns: tuple[int, int] | None = None
    named_ns: NDArray[np.int64] | None = None


def draw(chart: TimeChart) -> Markup:
    """Draw a time chart: an SVG complete without a script, and the points for the script's read-out."""
    tops = _panel_tops(chart)
    bottom = tops[-1] + chart.panels[-1].height
    drawn = element(
        "svg",
        *(_band(chart, span, bottom) for span in chart.spans),
        *(_panel(chart, panel, top) for panel, top in zip(chart.panels, tops, strict=True)),
        *(_time_tick(chart, at_ns, text, bottom) for at_ns, text in chart.ticks),
        _cursor(chart, bottom),
        class_="plot",
        width="100%",
        height=bottom + 24,
        role="img",
        aria_label=chart.label,
        tabindex=0,
    )
    points = element("script", Markup(_points(chart, tops)), type="application/json")
    return element(
        "div",
        drawn,
        element("output", class_="readout", hidden=""),
        points,
        class_=f"chart {chart.css}".strip(),
    )


def bar(low: float, high: float, zero: float, css: str) -> Markup:
    """A horizontal bar between two places (fractions of the width) with a hairline at the place of zero."""
    left, right = sorted((low, high))
    return element(
        "svg",
        element(
            "rect",
            class_=css,
            x=f"{left * 100:.2f}%",
            y=2,
            width=f"{max(right - left, 0.002) * 100:.2f}%",
            height=10,
        ),
        element("line", class_="zero", x1=f"{zero * 100:.2f}%", x2=f"{zero * 100:.2f}%", y1=0, y2=14),
        class_="bar",
        width="100%",
        height=14,
        aria_hidden="true",
    )


def path_data(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Write a curve as path commands with one decimal; a point that is not finite interrupts the curve."""
    known = np.isfinite(y)
    starts = known & ~np.concatenate(([False], known[:-1]))
    lone = starts & ~np.concatenate((known[1:], [False]))
    parts: list[str] = []
    for i in np.flatnonzero(known):
        parts.append(f"{'M' if starts[i] else 'L'}{x[i]:.1f} {y[i]:.1f}")
        if lone[i]:
            parts.append("h0.1")
    return "".join(parts)


def area_data(x: NDArray[np.float64], y: NDArray[np.float64], base: float) -> str:
    """Write the area between a curve and a horizontal line; every unbroken stretch closes on its own."""
    known = np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], known, [False])).astype(np.int8)))
    return "".join(
        f"M{x[a]:.1f} {base:.1f}L{path_data(x[a:b], y[a:b])[1:]}L{x[b - 1]:.1f} {base:.1f}Z"
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    )


def _panel_tops(chart: TimeChart) -> list[int]:
    tops = [chart.head]
    for panel in chart.panels[:-1]:
        tops.append(tops[-1] + panel.height + chart.gap)
    return tops


def _place(chart: TimeChart, ts_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Place of times along the axis, 0 to 1; a single point lies in the middle."""
    first, last = chart.extent_ns or (int(chart.ts_ns[0]), int(chart.ts_ns[-1]))
    if last == first:
        return np.full(ts_ns.shape, 0.5)
    return (ts_ns - first) / (last - first)


def _percent(chart: TimeChart, ts_ns: int) -> float:
    return float(np.clip(_place(chart, np.array([ts_ns]))[0], 0.0, 1.0)) * 100


def _band(chart: TimeChart, span: Span, bottom: int) -> Markup:
    left, right = _percent(chart, span.start_ns), _percent(chart, span.end_ns)
    texts = [
        element("text", text, class_=css, x=f"{left:.3f}%", dx=6, y=14 * (row + 1))
        for row, css, text in span.lines
    ]
    box = element("rect", x=f"{left:.3f}%", y=0, width=f"{max(right - left, 0.0):.3f}%", height=bottom)
    edge = element("line", x1=f"{left:.3f}%", x2=f"{left:.3f}%", y1=0, y2=bottom)
    return element("g", box, edge, *texts, class_=f"band {span.css}")


def _panel(chart: TimeChart, panel: Panel, top: int) -> Markup:
    ticks = [
        element(
            "g",
            element("line", x1="0", x2="100%", y1=y, y2=y),
            element("text", panel.tick_text(tick), x=-10, y=y, dy="0.32em"),
            class_="tick",
        )
        for tick in panel.scale.ticks
        for y in [top + panel.height * (1 - panel.scale.place(tick))]
    ]
    x = _place(chart, chart.ts_ns) * WIDTH
    curves = [c for one in panel.series if one.is_drawn for c in _curve(x, panel, one)]
    base = None
    if panel.baseline is not None:
        y = top + panel.height * (1 - panel.scale.place(panel.baseline))
        base = element("line", class_="baseline", x1="0", x2="100%", y1=y, y2=y)
    plot = element(
        "svg",
        *(_ribbon(x, panel, one) for one in panel.ribbons),
        *(_candles(chart, x, panel, panel.candles) if panel.candles else ()),
        *(_link(chart, panel, one) for one in panel.links),
        *curves,
        class_="curves",
        x="0",
        y=top,
        width="100%",
        height=panel.height,
        viewBox=f"0 0 {WIDTH} {panel.height}",
        preserveAspectRatio="none",
    )
    name = element("text", panel.title, class_="panel-title", x="0", y=top - 7) if panel.title else None
    return join(*ticks, name, base, plot, *(_mark(chart, panel, top, one) for one in panel.marks))


def _ribbon(x: NDArray[np.float64], panel: Panel, ribbon: Ribbon) -> Markup:
    """One closed area per unbroken stretch."""
    low, high = (panel.height * (1 - panel.scale.fraction(one)) for one in (ribbon.low, ribbon.high))
    known = np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], known, [False])).astype(np.int8)))
    data = "".join(
        f"{path_data(x[a:b], high[a:b])}L{path_data(x[a:b][::-1], low[a:b][::-1])[1:]}Z"
        for a, b in zip(edges[::2], edges[1::2], strict=True)
        if b - a > 1
    )
    return element("path", class_=f"ribbon {ribbon.css}", d=data)


def _candles(chart: TimeChart, x: NDArray[np.float64], panel: Panel, candles: Candles) -> list[Markup]:
    """Wicks as lines of one pixel, bodies as filled boxes at least half a unit high; risen and fallen ones apart."""
    opened, high, low, close = (panel.height * (1 - panel.scale.fraction(one)) for one in candles.values.T)
    first, last = chart.extent_ns or (int(chart.ts_ns[0]), int(chart.ts_ns[-1]))
    width = 0.7 * WIDTH * candles.width_ns / max(last - first, 1)
    drawn = []
    for css, chosen in (("gain", close <= opened), ("loss", close > opened)):
        some = np.flatnonzero(chosen)
        wicks = "".join(f"M{x[i]:.1f} {high[i]:.1f}V{low[i]:.1f}" for i in some)
        bodies = "".join(
            f"M{x[i] - width / 2:.1f} {min(opened[i], close[i]):.1f}h{width:.1f}"
            f"v{max(abs(opened[i] - close[i]), 0.5):.1f}h{-width:.1f}z"
            for i in some
        )
        drawn.append(element("path", class_=f"wick {css}", d=wicks, vector_effect="non-scaling-stroke"))
        drawn.append(element("path", class_=f"body {css}", d=bodies))
    return drawn


def _link(chart: TimeChart, panel: Panel, link: Link) -> Markup:
    x = _place(chart, np.array([link.start[0], link.end[0]])) * WIDTH
    y = panel.height * (1 - panel.scale.fraction(np.array([link.start[1], link.end[1]])))
    return element("path", class_=f"link {link.css}", d=path_data(x, y), vector_effect="non-scaling-stroke")


def _mark(chart: TimeChart, panel: Panel, top: int, mark: Mark) -> Markup:
    y = top + panel.height * (1 - panel.scale.place(mark.value))
    word = element("text", mark.text, x=0, y=16 if mark.shape == "dot" else -7) if mark.text else None
    return element(
        "svg",
        element("path", d=SHAPES[mark.shape]),
        word,
        class_=f"mark {mark.css}",
        x=f"{_percent(chart, mark.ts_ns):.3f}%",
        y=round(y, 1),
        overflow="visible",
    )


def _curve(x: NDArray[np.float64], panel: Panel, series: Series) -> list[Markup]:
    y = panel.height * (1 - panel.scale.fraction(series.values))
    drawn = []
    if series.fill_from is not None:
        base = panel.height * (1 - panel.scale.place(series.fill_from))
        drawn.append(element("path", class_=f"area {series.css}", d=area_data(x, y, base)))
    drawn.append(
        element("path", class_=f"curve {series.css}", d=path_data(x, y), vector_effect="non-scaling-stroke")
    )
    return drawn


def _time_tick(chart: TimeChart, at_ns: int, text: str, bottom: int) -> Markup:
    x = f"{_percent(chart, at_ns):.3f}%"
    line = element("line", x1=x, x2=x, y1=bottom, y2=bottom + 5)
    return element("g", line, element("text", text, x=x, y=bottom + 19), class_="time")


def _cursor(chart: TimeChart, bottom: int) -> Markup:
    dots = [element("circle", r=4, class_=s.css) for p in chart.panels for s in p.series if s.is_drawn]
    return element("g", element("line", y1=0, y2=bottom), *dots, class_="cursor")


def _points(chart: TimeChart, tops: list[int]) -> str:
    """Everything the read-out needs, as JSON that cannot end its script element."""
    series = [
        {
            "label": s.label,
            "kind": s.kind,
            "drawn": s.is_drawn,
            "top": top,
            "height": p.height,
            "low": p.scale.low,
            "high": p.scale.high,
            "log": p.scale.is_log,
            "values": [None if not np.isfinite(v) else _short(float(v)) for v in s.values],
        }
        for p, top in zip(chart.panels, tops, strict=True)
        for s in p.series
    ]
    spans = [
        {
            "from": round(_percent(chart, s.start_ns) * 10, 2),
            "to": round(_percent(chart, s.end_ns) * 10, 2),
            "text": s.summary,
        }
        for s in chart.spans
    ]
    x = [round(float(v) * WIDTH, 2) for v in _place(chart, chart.ts_ns)]
    at = [minute(int(t)) for t in (chart.ts_ns if chart.named_ns is None else chart.named_ns)]
    return json.dumps(
        {"x": x, "at": at, "series": series, "spans": spans}, separators=(",", ":"), allow_nan=False
    ).replace("<", "\\u003c")


def _short(value: float) -> float:
    return float(f"{value:.7g}")
