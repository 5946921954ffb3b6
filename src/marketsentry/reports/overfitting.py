"""Overfitting and cross-validation in a report: the settings around the assumed one, k-fold, paths and their curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marketsentry.core.evidence.overfitting import Overfitting
from marketsentry.core.evidence.paths import Paths
from marketsentry.reports import svg
from marketsentry.reports.charts import signed_bar
from marketsentry.reports.layout import Column, table
from marketsentry.reports.markup import Markup, element, join
from marketsentry.reports.numbers import count, number, percent
from marketsentry.reports.scales import linear_scale
from marketsentry.reports.texts import Texts

MAX_DRAWN_PATHS = 12


def overfitting_body(found: Overfitting, text: Texts) -> Markup:
    """The neighbourhood of the assumed setting in words, and where the best of it ranks elsewhere."""
    told = text(
        "overfit.lead",
        n=count(found.n_settings),
        above=percent(found.all_above_zero_frac, digits=0),
        rank=count(found.rank),
    )
    hill = text(f"sweep.shape.{found.shape}")
    choice = choice_body(_document(found), text)
    return join(element("p", f"{told} {hill}"), choice)


def choice_body(choice: Mapping[str, Any] | None, text: Texts) -> Markup:
    """What choosing the best of some settings is worth, from the fields of a `BacktestOverfitting`."""
    if choice is None:
        return element("p", text("overfit.nothing"))
    told = text(
        "overfit.choice",
        pbo=percent(choice["pbo"], digits=0),
        inside=number(choice["inside_sharpe_median"], digits=2),
        outside=number(choice["outside_sharpe_median"], digits=2),
        n=count(choice["n_splits"]),
        loss=percent(choice["probability_of_loss"], digits=0),
        slope=number(choice["degradation_slope"], digits=2),
    )
    shares: list[float | None] = [n / choice["n_splits"] for n in choice["rank_tenths"]]
    columns = (
        Column(text("overfit.tenth")),
        Column(text("overfit.share"), is_number=True),
        Column("", css="wide-cell"),
    )
    rows = [
        (str(k + 1), percent(share, digits=1), signed_bar(share, shares)) for k, share in enumerate(shares)
    ]
    return join(element("p", told), table(columns, rows))


def paths_body(paths: Paths, ticks: Sequence[tuple[int, str]], text: Texts) -> Markup:
    """The paths in words, as curves on one axis, and one by one. `ticks` are the labels of the time axis."""
    told = text(
        "paths.lead",
        groups=count(paths.n_groups),
        tested=count(paths.n_test_groups),
        fits=count(paths.n_combinations),
        paths=count(len(paths.rows)),
        purge=count(paths.purge_bars),
        median=number(paths.sharpe_median, digits=2),
        least=number(paths.sharpe_least, digits=2),
        greatest=number(paths.sharpe_greatest, digits=2),
        losing=percent(paths.losing_frac, digits=0),
    )
    sharpes = [row.sharpe for row in paths.rows]
    columns = (
        Column(text("paths.path")),
        Column(text("measure.sharpe"), is_number=True),
        Column("", css="wide-cell"),
        *(
            Column(text(f"measure.{name}"), is_number=True)
            for name in ("pnl_after_cost", "max_drawdown", "ic", "rank_ic")
        ),
    )
    rows = [
        (
            str(k + 1),
            number(row.sharpe, digits=2),
            signed_bar(row.sharpe, sharpes),
            percent(row.pnl_after_cost_frac, signed=True),
            percent(row.max_drawdown_frac),
            number(row.ic, digits=4),
            number(row.rank_ic, digits=4),
        )
        for k, row in enumerate(paths.rows)
    ]
    return join(element("p", told), _curves(paths, ticks, text), table(columns, rows))


def _curves(paths: Paths, ticks: Sequence[tuple[int, str]], text: Texts) -> Markup | None:
    """Returns of the paths over time; of many the best, the worst and evenly ranked ones between."""
    gains = np.array(paths.curves) - 1.0
    if not np.isfinite(gains).any():
        return None
    order = np.argsort(-gains[:, -1], kind="stable")
    n_drawn = min(order.size, MAX_DRAWN_PATHS)
    drawn = sorted(order[np.unique(np.linspace(0, order.size - 1, n_drawn).astype(np.int64))].tolist())
    scale = linear_scale(gains[drawn], n_ticks=5, include=0.0)
    series = tuple(svg.Series(f"{text('paths.path')} {k + 1}", gains[k], "signed", "equity") for k in drawn)
    panel = svg.Panel(
        height=200, scale=scale, tick_text=lambda v: percent(v, digits=0), series=series, baseline=0.0
    )
    times = np.array(paths.curve_ts_ns, dtype=np.int64)
    return svg.draw(svg.TimeChart(times, (panel,), tuple(ticks), label=text("paths.chart"), css="main"))


def _document(found: Overfitting) -> Mapping[str, Any] | None:
    choice = found.choice
    return None if choice is None else {name: getattr(choice, name) for name in choice.__dataclass_fields__}
