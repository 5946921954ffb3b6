"""The page of a parameter sweep: what the best setting stands on, heat maps of pairs of parameters, best settings."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import shown_params
from marketsentry.reports.facts import Lang
from marketsentry.reports.layout import Column, default_scheme, page, pairs, section, table, tile
from marketsentry.reports.markup import Markup, element
from marketsentry.reports.numbers import MISSING, brief, count, measure, number, percent
from marketsentry.reports.overfitting import choice_body
from marketsentry.reports.texts import Texts, name_of, texts

N_CLASSES = 8
_SHOWN = ("sharpe", "pnl_after_cost", "max_drawdown", "turnover", "trades")


def render_sweep(document: Mapping[str, Any], *, n_trials: int | None, version: str, lang: Lang) -> str:
    """Write the page of a sweep as one self-contained HTML document.

    Parameters
    ----------
    document
        As the sweep's artifact holds it.
    n_trials
        Trials of the track so far; None where nobody counted the settings.
    version
        Of the program.
    lang
        Language of every word.

    Returns
    -------
    str
        HTML that opens offline.
    """
    text = texts(lang)
    request, rank_by = document["request"], document["rank_by"]
    name = f"{request['model_name']}:{request['model_version']}"
    facts = element(
        "p",
        element("span", element("b", ", ".join(request["targets"]))),
        element(
            "span",
            text("sweep.facts", n=count(len(document["rows"])), rank=name_of(text, "measure", rank_by)),
        ),
        class_="facts",
    )
    shape = document["plateau"]["shape"] if document["plateau"] else "none"
    hero = element(
        "div",
        element("div", element("p", text("sweep.kicker"), class_="kicker"), element("h1", name), facts),
        element("div", element("p", name_of(text, "sweep.shape", shape)), class_="stamp"),
        class_="hero",
    )
    values = [
        (key, value if isinstance(value, str) else brief(key, _plain(value)))
        for key, value in shown_params(document["base"]).items()
    ]
    return page(
        _tiles(document, n_trials, text),
        *_heat_maps(document, text),
        _best(document, text),
        section(text("sweep.choice"), choice_body(document["overfitting"], text)),
        section(text("assumptions.title"), pairs(values)),
        title=f"{name} · {text('sweep.kicker')}",
        hero=hero,
        footer=element(
            "footer",
            element("p", text("page.written", version=version)),
            element("p", text("page.disclaimer")),
        ),
        scheme=default_scheme(lang),
        text=text,
    )


def heat_grid(
    rows: NDArray[np.float64], columns: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]], NDArray[np.float64]]:
    """Lay values out over two parameters.

    Parameters
    ----------
    rows
        Shape (P,). One parameter of each setting.
    columns
        Shape (P,). The other.
    values
        Shape (P,). What is shown; NaN where there is none.

    Returns
    -------
    tuple of list, list and ndarray
        The classes of either parameter as (lowest, highest) value in them, and the median of each cell, NaN where it
        holds nothing. A parameter with more than 8 values is cut into 8 classes of equal count.
    """
    at_row, row_ends = _classes(rows)
    at_column, column_ends = _classes(columns)
    grid = np.full((len(row_ends), len(column_ends)), np.nan)
    for i, j in set(zip(at_row.tolist(), at_column.tolist(), strict=True)):
        cell = values[(at_row == i) & (at_column == j)]
        cell = cell[np.isfinite(cell)]
        if cell.size:
            grid[i, j] = np.median(cell)
    return row_ends, column_ends, grid


def _classes(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], list[tuple[float, float]]]:
    distinct = np.unique(values)
    parts = np.array_split(distinct, min(N_CLASSES, distinct.size))
    starts = np.array([part[0] for part in parts])
    return np.searchsorted(starts, values, side="right") - 1, [(float(p[0]), float(p[-1])) for p in parts]


def _tiles(document: Mapping[str, Any], n_trials: int | None, text: Texts) -> Markup:
    found = document["plateau"] or {}
    share, positive = found.get("neighbour_share"), found.get("all_above_zero_frac")
    n = count(found.get("n_neighbours"))
    rank_by = document["rank_by"]
    choice = document["overfitting"] or {}
    inside, outside = (
        number(choice.get(f"{side}_sharpe_median"), digits=2) for side in ("inside", "outside")
    )
    counted = "sweep.uncounted" if n_trials is None else "sweep.trials_note"
    return element(
        "dl",
        tile(text("sweep.settings"), count(len(document["rows"])), None),
        tile(text("sweep.best"), measure(rank_by, found.get("value")), name_of(text, "measure", rank_by)),
        tile(text("sweep.share"), percent(share, digits=0), text("sweep.share_note", n=n)),
        tile(text("sweep.positive"), percent(positive, digits=0), None),
        tile(text("sweep.pbo"), percent(choice.get("pbo"), digits=0),
             text("sweep.pbo_note", inside=inside, outside=outside)),
        tile(text("sweep.trials"), count(n_trials), text(counted)),
        class_="tiles",
    )  # fmt: skip


def _heat_maps(document: Mapping[str, Any], text: Texts) -> list[Markup]:
    """One map per pair of parameters; a single parameter is a map of one row."""
    names: Sequence[str] = document["parameters"]
    at = document["columns"].index
    column = {name: np.array([_plain(row[at(name)]) for row in document["rows"]]) for name in names}
    rank_by = document["rank_by"]
    values = np.array(
        [math.nan if row[at(rank_by)] is None else row[at(rank_by)] for row in document["rows"]]
    )
    drawn = list(itertools.combinations(names, 2)) or [(names[0], names[0])]
    lead = text("sweep.heat_lead", rank=name_of(text, "measure", rank_by))
    return [
        section(
            text("sweep.heat", row=row, column=other) if row != other else row,
            _heat_table(row, *heat_grid(column[row], column[other], values), rank_by),
            lead=lead,
            is_whole=True,
        )
        for row, other in drawn
    ]


def _heat_table(
    corner: str,
    rows: list[tuple[float, float]],
    columns: list[tuple[float, float]],
    grid: NDArray[np.float64],
    rank_by: str,
) -> Markup:
    known = np.abs(grid[np.isfinite(grid)])
    largest = float(known.max()) if known.size else 0.0
    head = element("tr", element("th", corner), *(element("th", _ends(one), scope="col") for one in columns))
    body = [
        element(
            "tr", element("th", _ends(ends), scope="row"), *(_cell(float(v), largest, rank_by) for v in line)
        )
        for ends, line in zip(rows, grid, strict=True)
    ]
    drawn = element("table", element("thead", head), element("tbody", *body), class_="heat")
    return element("div", drawn, class_="scroll")


def _cell(value: float, largest: float, rank_by: str) -> Markup:
    if not math.isfinite(value) or largest == 0:
        return element("td", measure(rank_by, value))
    css = "warm" if value > 0 else "cold" if value < 0 else None
    return element(
        "td", measure(rank_by, value), class_=css, style=f"--a:{0.06 + 0.34 * abs(value) / largest:.2f}"
    )


def _best(document: Mapping[str, Any], text: Texts) -> Markup:
    names = [*document["parameters"], *_SHOWN]
    columns = [
        Column(one if one in document["parameters"] else name_of(text, "measure", one), is_number=True)
        for one in names
    ]
    rows = [
        [_word(one[name]) if name in document["parameters"] else measure(name, one[name]) for name in names]
        for one in document["best"]
    ]
    return section(text("sweep.table"), table(columns, rows), lead=text("sweep.deflate"))


def _ends(ends: tuple[float, float]) -> str:
    low, high = (_word(one) for one in ends)
    return low if low == high else f"{low} … {high}"


def _word(value: Any) -> str:  # Any: a JSON value
    return MISSING if value is None or value == math.inf else f"{value:.4g}"


def _plain(value: Any) -> float:  # Any: a JSON value; without a limit is None
    return math.inf if value is None else float(value)
