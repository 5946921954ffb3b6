"""A small plot of one quantity against another that is not time: curves with points and intervals on two axes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.reports.markup import Markup, element
from marketsentry.reports.scales import Scale
from marketsentry.reports.svg import WIDTH, path_data

FOOT = 42


@dataclass(frozen=True, slots=True)
class Dots:
    """Points joined by a line: `x` and `y` (n,), NaN where there is none; `low` and `high` (n,) are their intervals."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    css: str = "equity"


@dataclass(frozen=True, slots=True)
class Plane:
    """What is drawn and on which axes. `level` is a value of y with a dashed line; `has_diagonal` draws y = x."""

    x_scale: Scale
    y_scale: Scale
    x_text: Callable[[float], str]
    y_text: Callable[[float], str]
    x_title: str
    label: str
    curves: tuple[Dots, ...]
    level: float | None = None
    has_diagonal: bool = False
    height: int = 170


def draw_plane(plane: Plane) -> Markup:
    """Draw it as an SVG that is complete without a script."""
    marks = [
        *(_y_tick(plane, tick) for tick in plane.y_scale.ticks),
        *(_x_tick(plane, tick) for tick in plane.x_scale.ticks),
    ]
    if plane.level is not None:
        y = _y(plane, np.array([plane.level]))[0]
        marks.append(element("line", class_="baseline", x1="0", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}"))
    points = [point for curve in plane.curves for point in _points(plane, curve)]
    title = element("text", plane.x_title, x="50%", y=plane.height + FOOT - 6, class_="axis")
    drawn = element(
        "svg",
        *marks,
        _lines(plane),
        *points,
        title,
        class_="plot",
        width="100%",
        height=plane.height + FOOT,
        role="img",
        aria_label=plane.label,
    )
    return element("div", drawn, class_="plane")


def _lines(plane: Plane) -> Markup:
    """The curves, stretched to the width."""
    drawn = []
    if plane.has_diagonal:
        ends = np.array([plane.x_scale.low, plane.x_scale.high])
        drawn.append(_path(plane, ends, ends, "baseline"))
    drawn += [_path(plane, one.x, one.y, f"curve {one.css}") for one in plane.curves]
    return element(
        "svg",
        *drawn,
        x="0",
        y="0",
        width="100%",
        height=plane.height,
        viewBox=f"0 0 {WIDTH} {plane.height}",
        preserveAspectRatio="none",
    )


def _path(plane: Plane, x: NDArray[np.float64], y: NDArray[np.float64], css: str) -> Markup:
    data = path_data(plane.x_scale.fraction(x) * WIDTH, _y(plane, y))
    return element("path", class_=css, d=data, fill="none", vector_effect="non-scaling-stroke")


def _points(plane: Plane, curve: Dots) -> list[Markup]:
    """A dot per value, with a line through its interval where there is one."""
    drawn = []
    places = plane.x_scale.fraction(curve.x)
    for k, y in enumerate(_y(plane, curve.y)):
        if not np.isfinite(y):
            continue
        x = f"{100.0 * places[k]:.2f}%"
        if curve.low is not None and curve.high is not None:
            low, high = _y(plane, np.array([curve.low[k], curve.high[k]]))
            if np.isfinite(low) and np.isfinite(high):
                drawn.append(element("line", class_="whisker", x1=x, x2=x, y1=f"{low:.1f}", y2=f"{high:.1f}"))
        drawn.append(element("circle", class_=f"dot {curve.css}", cx=x, cy=f"{y:.1f}", r=3))
    return drawn


def _y(plane: Plane, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return plane.height * (1.0 - plane.y_scale.fraction(values))


def _y_tick(plane: Plane, tick: float) -> Markup:
    y = f"{_y(plane, np.array([tick]))[0]:.1f}"
    return element(
        "g",
        element("line", x1="0", x2="100%", y1=y, y2=y),
        element("text", plane.y_text(tick), x=-10, y=y, dy="0.32em"),
        class_="tick",
    )


def _x_tick(plane: Plane, tick: float) -> Markup:
    x = f"{100.0 * plane.x_scale.place(tick):.2f}%"
    line = element("line", x1=x, x2=x, y1=plane.height, y2=plane.height + 5)
    return element("g", line, element("text", plane.x_text(tick), x=x, y=plane.height + 19), class_="time")
