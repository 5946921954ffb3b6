"""The neighbourhood of a candidate: does its result hang on the replay parameters that happened to be assumed?

`N_NEIGHBOURS` settings are drawn around the assumed one and replayed over the same walk-forward predictions. Nothing is
chosen from them: the candidate is judged and served with what was assumed, and which neighbour did best is not told. So
they are no trials (ADR 0131).

| parameter | drawn from |
|---|---|
| `entry_edge_bps` | what is assumed, up to half a round-trip cost more |
| `cost_multiple` | half to one and a half times |
| `position_volatility_frac` | two thirds to one and a half times, where positions are sized by volatility |
| `volatility_halflife_bars` | half to twice |
| `rebalance_band_frac` | half to twice; up to 0.02 where there is none |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.plateau import Plateau, Shape, measure_plateau
from marketsentry.core.backtest.search import Axis, Method, Search, places_of, settings_of, valid_sets
from marketsentry.core.backtest.sweep import block_sums, sweep
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.stats.pbo import BacktestOverfitting, backtest_overfitting

N_NEIGHBOURS = 63

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overfitting:
    """The assumed setting among `n_settings`, itself one of them.

    `rank` is its place by Sharpe ratio, 1 the best, None where it has no ratio; equal ones share the better place.
    `shape`, `neighbour_share` and `above_zero_frac` look at the settings nearest to the best one, see
    `core.backtest.plateau`, `assumed` at those nearest to the assumed one, None where it has no ratio;
    `all_above_zero_frac` is the share of all settings with a ratio above zero, one without a ratio is not. `choice`
    says what choosing the best of them would be worth, None where nothing could be chosen.
    """

    n_settings: int
    parameters: tuple[str, ...]
    rank: int | None
    shape: str
    neighbour_share: float | None
    above_zero_frac: float | None
    all_above_zero_frac: float
    choice: BacktestOverfitting | None
    assumed: Plateau | None = None


def measure_overfitting(
    predictions: Floats, part: BarPanel, params: ReplayParams, *, seed: int, n_threads: int = 1
) -> Overfitting:
    """Replay the neighbourhood of the assumed parameters.

    Parameters
    ----------
    predictions
        (T, N) out-of-sample predictions of the folds.
    part
        Their bars.
    params
        What is assumed.
    seed
        Of the draws.
    n_threads
        How many settings are replayed at once; changes no bit.

    Returns
    -------
    Overfitting
    """
    search = Search(Method.RANDOM, _axes(params), n_draws=N_NEIGHBOURS, seed=seed)
    assumed = {axis.name: getattr(params, axis.name) for axis in search.axes}
    settings, sets = valid_sets(params, [assumed, *settings_of(search)])
    rows = sweep(predictions, part, sets, n_threads=n_threads)
    ratios: Floats = rows["sharpe"]
    places = places_of(search, settings)
    hill = measure_plateau(ratios, places, is_grid=False)
    return Overfitting(
        n_settings=len(sets),
        parameters=tuple(assumed),
        rank=int(np.count_nonzero(ratios > ratios[0])) + 1 if np.isfinite(ratios[0]) else None,
        shape=hill.shape.value if hill else "none",
        neighbour_share=hill.neighbour_share if hill else None,
        above_zero_frac=hill.above_zero_frac if hill else None,
        all_above_zero_frac=float(np.mean(ratios > 0.0)),
        choice=backtest_overfitting(block_sums(rows, part.n_bars), periods_per_year=params.periods_per_year),
        assumed=measure_plateau(ratios, places, is_grid=False, at=0),
    )


def overfitting_from(document: Mapping[str, Any]) -> Overfitting:
    """Read it back from its JSON."""
    choice, assumed = document["choice"], document["assumed"]
    if choice is not None:
        choice = BacktestOverfitting(**{**choice, "rank_tenths": tuple(choice["rank_tenths"])})
    if assumed is not None:
        assumed = Plateau(**{**assumed, "shape": Shape(assumed["shape"])})
    parts = {"parameters": tuple(document["parameters"]), "choice": choice, "assumed": assumed}
    return Overfitting(**{**document, **parts})


def _axes(params: ReplayParams) -> tuple[Axis, ...]:
    edge, multiple, band = params.entry_edge_bps, params.cost_multiple, params.rebalance_band_frac
    sized, memory = params.position_volatility_frac, params.volatility_halflife_bars
    axes = [
        Axis("entry_edge_bps", (edge, edge + max(0.5 * params.round_trip_cost_bps, 1.0))),
        Axis("cost_multiple", (0.5 * multiple, 1.5 * multiple) if multiple > 0.0 else (0.0, 1.0)),
        Axis("volatility_halflife_bars", (0.5 * memory, 2.0 * memory)),
        Axis("rebalance_band_frac", (0.5 * band, 2.0 * band) if band > 0.0 else (0.0, 0.02)),
    ]
    if sized is not None:
        axes.append(Axis("position_volatility_frac", (2.0 / 3.0 * sized, 1.5 * sized)))
    return tuple(axes)
