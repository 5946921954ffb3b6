"""Search replay parameters, and hold backtests against one another."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from marketsentry import __version__
from marketsentry.adapters.machine import LocalMachine
from marketsentry.core.backtest.compare import Comparison, compare_runs
from marketsentry.core.backtest.plateau import Plateau
from marketsentry.core.backtest.search import (
    Axis,
    Method,
    Search,
    Value,
    settings_of,
    valid_sets,
)
from marketsentry.core.backtest.sweep import block_sums, metrics_document
from marketsentry.core.backtest.sweep import sweep as sweep_core
from marketsentry.core.market.symbols import SYNTHETIC_SOURCE
from marketsentry.core.stats.pbo import backtest_overfitting
from marketsentry.exceptions import InputError
from marketsentry.reports.compare import ComparisonPage, render_comparison
from marketsentry.reports.facts import Lang
from marketsentry.reports.sweep import render_sweep
from marketsentry.research.backtest import Backtest, Bars, base_params, panel_of
from marketsentry.research.drawing import Drawing
from marketsentry.services.report import member
from marketsentry.services.sweep import RANKS, describe_sweep


@dataclass(frozen=True, slots=True)
class Sweep:
    """Many settings of the same predictions.

    `rows` (list of dict) values and metrics of every setting; `best` the best by rank, of equals the first; `plateau`
    what it stands on, None if no setting has a value. `n_impossible` combinations make no parameters. `n_trials` are
    those of the track so far for a sweep of a `Session`; None for one without a record, whose settings nobody counted.
    """

    rows: tuple[dict[str, Any], ...]
    best: dict[str, Any] | None
    plateau: Plateau | None
    n_impossible: int
    n_trials: int | None
    page: Drawing = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page with the heat maps; gives its absolute path."""
        return self.page.save(path)

    def _repr_html_(self) -> str:
        return self.page._repr_html_()


@dataclass(frozen=True, slots=True)
class Compared:
    """Backtests over the bars they share: `found` has metrics, tests and differences, `page` shows them."""

    found: Comparison
    page: Drawing = field(repr=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; gives its absolute path."""
        return self.page.save(path)

    def _repr_html_(self) -> str:
        return self.page._repr_html_()


def sweep(
    predictions: ArrayLike,
    bars: Bars,
    grid: Mapping[str, Sequence[Value]],
    *,
    horizon: str,
    rank_by: str = "sharpe",
    traded_from: int = 0,
    name: str = "own:predictions",
    lang: str = "en",
    **params: Any,  # values of any replay parameter
) -> Sweep:
    """Replay predictions under every combination of a grid.

    Parameters
    ----------
    predictions
        As for `replay`.
    bars
        As for `replay`.
    grid
        Values to try by parameter name.
    horizon
        As for `replay`.
    rank_by
        `sharpe`, `sortino` or `pnl_after_cost`.
    traded_from
        First row that counts.
    name
        NAME:VERSION on the page.
    lang
        Language of the page, `zh` or `en`.
    **params
        Replay parameters that do not vary.

    Returns
    -------
    Sweep

    Raises
    ------
    InputError
        If a parameter, the rank or the language is unknown, or no combination makes parameters.
    """
    if rank_by not in RANKS:
        raise InputError(f"rank_by must be one of {', '.join(RANKS)}, was {rank_by!r}")
    language, panel, search = member(Lang, "lang", lang), panel_of(bars), grid_search(grid)
    base = base_params(panel, horizon, params)
    settings, sets = valid_sets(base, settings_of(search))
    found = sweep_core(
        np.ascontiguousarray(predictions, dtype=np.float64),
        panel,
        sets,
        n_threads=LocalMachine().cores(),
        traded_from=traded_from,
    )
    metrics = [metrics_document(row) for row in found]
    overfitting = backtest_overfitting(
        block_sums(found, panel.n_bars - traded_from), periods_per_year=base.periods_per_year
    )
    document, plateau = describe_sweep(
        search, settings, base, metrics, rank_by=rank_by, overfitting=overfitting
    )
    model, _, version = name.partition(":")
    request = {"model_name": model, "model_version": version, "targets": list(panel.symbols)}
    return sweep_of(
        {**document, "request": request},
        plateau,
        n_impossible=search.n_settings - len(sets),
        n_trials=None,
        language=language,
    )


def grid_search(grid: Mapping[str, Sequence[Value]]) -> Search:
    """Make the search of a grid; raises `InputError` for a parameter that is unknown."""
    return Search(Method.GRID, tuple(Axis(key, tuple(values)) for key, values in grid.items()))


def sweep_of(
    document: Mapping[str, Any],
    plateau: Plateau | None,
    *,
    n_impossible: int,
    n_trials: int | None,
    language: Lang,
) -> Sweep:
    """Give what `describe_sweep` wrote down as rows and a page."""
    rows = tuple(dict(zip(document["columns"], row, strict=True)) for row in document["rows"])
    page = render_sweep(document, n_trials=n_trials, version=__version__, lang=language)
    best = None if plateau is None else rows[plateau.best]
    return Sweep(rows, best, plateau, n_impossible, n_trials, Drawing(page, height=900))


def compare(*backtests: Backtest, seed: int = 42, n_resamples: int = 2_000, lang: str = "en") -> Compared:
    """Hold backtests against the first, over the bars they share, as `ms backtest compare` does.

    Parameters
    ----------
    *backtests
        Two to eight.
    seed
        Of the resamples.
    n_resamples
        At least 100.
    lang
        Language of the page, `zh` or `en`.

    Returns
    -------
    Compared

    Raises
    ------
    InputError
        If there are too few or too many, or the language is unknown.
    ConflictError
        If they share no bar.
    """
    language = member(Lang, "lang", lang)
    found = compare_runs([one.compared for one in backtests], seed=seed, n_resamples=n_resamples)
    is_synthetic = any(SYNTHETIC_SOURCE in one.config["sources"].values() for one in backtests)
    facts = ComparisonPage(found, found.names, is_synthetic, __version__)
    return Compared(found, Drawing(render_comparison(facts, lang=language), height=1_100))
