"""What combinatorial purged cross-validation says of a candidate: skill and money on each of its paths.

It trains on what came after its test rows, so it says how much the result hangs on the stretch of history it was fitted
on; what could have been earned is the walk-forward's to say. Every path is replayed by the core that replays the
walk-forward, with the same parameters, from the first bar up to the untouched last block.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import account_metrics
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.splits.combinatorial import CombinatorialPlan
from marketsentry.core.splits.purged_kfold import PurgedFold
from marketsentry.core.stats.ic import ic
from marketsentry.core.stats.rank_ic import rank_ic

CURVE_POINTS = 120

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """The folds and combinations that were fitted, and what they predicted.

    `kfold_predictions` per fold (length of its test block, N); `combination_predictions` per combination (length of its
    hull, N), of which only the rows of its test groups count.
    """

    kfold: Sequence[PurgedFold] = ()
    kfold_predictions: Sequence[Floats] = ()
    combinations: CombinatorialPlan | None = None
    combination_predictions: Sequence[Floats] = ()


@dataclass(frozen=True, slots=True)
class PathRow:
    """One path: skill over all its bars, and the account that traded it after cost."""

    ic: float | None
    rank_ic: float | None
    pnl_after_cost_frac: float | None
    max_drawdown_frac: float | None
    sharpe: float | None


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of a combinatorial purged cross-validation of `n_groups` groups, `n_test_groups` tested at once.

    `losing_frac` is the share of paths that did not earn anything after cost; the median, least and greatest ratio are
    those of the paths that have one. `curves` are equities over the capital, one per path, at `curve_ts_ns`.
    """

    n_groups: int
    n_test_groups: int
    n_combinations: int
    purge_bars: int
    rows: tuple[PathRow, ...]
    losing_frac: float
    sharpe_median: float | None
    sharpe_least: float | None
    sharpe_greatest: float | None
    curve_ts_ns: tuple[int, ...]
    curves: tuple[tuple[float, ...], ...]

    def summary(self) -> dict[str, Any]:
        """Give the numbers for a manifest: no curves, no rows."""
        names = ("n_groups", "n_test_groups", "n_combinations", "purge_bars", "losing_frac", "sharpe_median",
                 "sharpe_least", "sharpe_greatest")  # fmt: skip
        return {"n_paths": len(self.rows), **{name: getattr(self, name) for name in names}}


def measure_paths(cross: CrossValidation, panel: BarPanel, params: ReplayParams) -> Paths | None:
    """Put the paths together and replay each.

    Parameters
    ----------
    cross
        The combinations and their predictions.
    panel
        All bars.
    params
        Of the replay.

    Returns
    -------
    Paths or None
        None where no combinations were fitted.
    """
    plan = cross.combinations
    if plan is None:
        return None
    part = panel.window(0, plan.groups[-1].stop)
    outcome = forward_return(part.close, params.horizon_bars)
    shown = np.unique(np.linspace(0, part.n_bars - 1, CURVE_POINTS).astype(np.int64))
    rows, curves = [], []
    for predicted in stitch_paths(plan, cross.combination_predictions):
        account = replay(predicted, part, params)
        metrics = account_metrics(account)
        rows.append(
            PathRow(
                ic=ic(predicted, outcome),
                rank_ic=rank_ic(predicted, outcome),
                pnl_after_cost_frac=metrics["pnl_after_cost"],
                max_drawdown_frac=metrics["max_drawdown"],
                sharpe=metrics["sharpe"],
            )
        )
        curves.append(tuple((account.equity[shown] / params.capital_quote).tolist()))
    ratios = [row.sharpe for row in rows if row.sharpe is not None]
    earned = [row.pnl_after_cost_frac is not None and row.pnl_after_cost_frac > 0.0 for row in rows]
    return Paths(
        n_groups=len(plan.groups),
        n_test_groups=plan.n_test_groups,
        n_combinations=len(plan.combinations),
        purge_bars=plan.purge_bars,
        rows=tuple(rows),
        losing_frac=1.0 - sum(earned) / len(earned),
        sharpe_median=float(np.median(ratios)) if ratios else None,
        sharpe_least=min(ratios, default=None),
        sharpe_greatest=max(ratios, default=None),
        curve_ts_ns=tuple(part.ts_ns[shown].tolist()),
        curves=tuple(curves),
    )


def stitch_paths(plan: CombinatorialPlan, predictions: Sequence[Floats]) -> Iterator[Floats]:
    """Lay the predictions of the combinations out as paths.

    Parameters
    ----------
    plan
        Groups, combinations and paths.
    predictions
        Per combination (length of its hull, N).

    Yields
    ------
    ndarray of shape (n_bars, N)
        One path after another.
    """
    n_targets = predictions[0].shape[1]
    for path in plan.paths:
        values = np.full((plan.groups[-1].stop, n_targets), np.nan)
        for group, index in zip(plan.groups, path, strict=True):
            first = plan.combinations[index].hull.start
            values[group] = predictions[index][group.start - first : group.stop - first]
        yield values


def paths_from(document: Mapping[str, Any]) -> Paths:
    """Read paths back from their JSON."""
    rows = tuple(PathRow(**row) for row in document["rows"])
    curves = tuple(map(tuple, document["curves"]))
    return Paths(
        **{**document, "rows": rows, "curve_ts_ns": tuple(document["curve_ts_ns"]), "curves": curves}
    )
