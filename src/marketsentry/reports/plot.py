"""Plots over a value axis or a row of categories: histograms, dots with whiskers, scatter. Same look as time charts.

Like in `svg`, places across are percentages, so that a plot fits any width.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.reports.markup import Markup, element
from marketsentry.reports.scales import Scale
from marketsentry.reports.svg import WIDTH, path_data

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axes:
    """The frame of a plot: a value axis up, and across either a value axis or nothing but named places 0 to 1."""

    height: int
    up: Scale
    up_text: Callable[[float], str]
    label: str
    across: Scale | None = None
    across_text: Callable[[float], str] | None = None
    names: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Dot:
    """A value at a place across (0 to 1) with its interval, which may be missing; `title` is shown on hover."""

    place: float
    value: float | None
    low: float | None
    high: float | None
    title: str
    css: str = ""


def draw_plot(axes: Axes, *inside: Markup, over: tuple[Markup, ...] = ()) -> Markup:
    """Draw the frame with `inside` in stretched coordinates, 1000 wide, and `over` in percent and pixels on top."""
    curves = element(
        "svg",
        *inside,
        x="0",
        y=0,
        width="100%",
        height=axes.height,
        viewBox=f"0 0 {WIDTH} {axes.height}",
        preserveAspectRatio="none",
    )
    drawn = element(
        "svg",
        *_up_ticks(axes),
        *_across_ticks(axes),
        curves,
        *over,
        class_="plot still",
        width="100%",
        height=axes.height + 24,
        role="img",
        aria_label=axes.label,
    )
    return element("div", drawn, class_="chart plain-chart")


def bins(axes: Axes, edges: Floats, heights: Floats) -> Markup:
    """Boxes from zero to `heights` (k,) between `edges` (k + 1,)."""
    assert axes.across is not None
    x = axes.across.fraction(edges) * WIDTH
    zero, top = y_of(axes, 0.0), axes.height * (1 - axes.up.fraction(heights))
    boxes = "".join(
        f"M{x[k]:.1f} {zero:.1f}V{top[k]:.1f}H{x[k + 1]:.1f}V{zero:.1f}Z" for k in range(heights.size)
    )
    return element("path", class_="bins", d=boxes)


def line(axes: Axes, across: Floats, up: Floats, css: str) -> Markup:
    """A curve through points given in the units of both axes."""
    assert axes.across is not None
    x, y = axes.across.fraction(across) * WIDTH, axes.height * (1 - axes.up.fraction(up))
    return element("path", class_=css, d=path_data(x, y), fill="none", vector_effect="non-scaling-stroke")


def level(axes: Axes, value: float, css: str) -> Markup:
    """A line across the whole plot."""
    y = y_of(axes, value)
    return element("line", class_=f"rule {css}".strip(), x1="0", x2="100%", y1=y, y2=y)


def dots(axes: Axes, some: tuple[Dot, ...]) -> tuple[Markup, ...]:
    """Dots with whiskers; one without a value is left out."""
    return tuple(_dot(axes, one) for one in some if one.value is not None and np.isfinite(one.value))


def y_of(axes: Axes, value: float) -> float:
    """Place of a value from the top, in pixels."""
    return round(axes.height * (1 - axes.up.place(value)), 1)


def _dot(axes: Axes, dot: Dot) -> Markup:
    x, parts = f"{dot.place * 100:.2f}%", []
    if dot.low is not None and dot.high is not None:
        low, high = y_of(axes, dot.low), y_of(axes, dot.high)
        parts.append(element("line", class_="whisker", x1=x, x2=x, y1=low, y2=high))
    assert dot.value is not None
    parts.append(element("circle", class_="dots", cx=x, cy=y_of(axes, dot.value), r=4))
    return element("g", *parts, element("title", dot.title), class_=dot.css or None)


def _up_ticks(axes: Axes) -> list[Markup]:
    return [
        element(
            "g",
            element("line", x1="0", x2="100%", y1=y, y2=y),
            element("text", axes.up_text(tick), x=-10, y=y, dy="0.32em"),
            class_="tick",
        )
        for tick in axes.up.ticks
        for y in [y_of(axes, tick)]
    ]


def _across_ticks(axes: Axes) -> list[Markup]:
    places = list(axes.names)
    if axes.across is not None and axes.across_text is not None:
        places += [(axes.across.place(tick), axes.across_text(tick)) for tick in axes.across.ticks]
    return [
        element(
            "g",
            element("line", x1=x, x2=x, y1=axes.height, y2=axes.height + 5),
            element("text", name, x=x, y=axes.height + 19),
            class_="time",
        )
        for place, name in places
        for x in [f"{place * 100:.2f}%"]
    ]
