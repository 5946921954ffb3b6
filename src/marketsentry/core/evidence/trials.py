"""The Sharpe ratio of a candidate against all the trials that were made before it was shown.

Every training and every setting of a sweep of a track counts, passed or not. The bar is the ratio that luck gives the
best of so many worthless trials: the number of them sets how many deviations above the centre it lies. Centre and
deviation are the highest bar's of

- chance: zero, and the deviation of a worthless strategy on as many bars, ``1 / sqrt(n)`` a bar;
- the sound trials: their median, zero at most, and the spread above it;
- the sound trials that fitted a model, settings of sweeps left out: the same.

Worthless trials that trade lie below zero by what they pay; luck starts there. What is left out counts as an attempt
but cannot move the others: a candidate that reads the future shows a ratio no honest trial could have shown, and one
that is ruined says how dearly it traded, not how far luck reaches. A sweep over settings that hardly differ cannot
lower the bar of the trainings, and nothing lowers that of chance (ADR 0163).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from marketsentry.core.backtest.replay import ReplayResult
from marketsentry.core.evidence.pack import TrialEvidence, TrialRow
from marketsentry.core.evidence.performance import WHOLE, sharpe_bounds
from marketsentry.core.evidence.resampling import Resampling
from marketsentry.core.stats.deflated_sharpe import (
    deflated_sharpe,
    expected_maximum_sharpe,
    upper_deviation,
)
from marketsentry.core.stats.sharpe import sharpe

N_NEWEST = 20
RUINED_DEVIATIONS = 8.0  # of chance below zero: no luck is that bad, so the trial says nothing about luck


@dataclass(frozen=True, slots=True)
class TrialHistory:
    """The trials of a track so far: how many, the yearly Sharpe ratios of the sound ones, the newest first.

    `fitted_sharpes` are those of the sound ones that fitted a model, settings of sweeps left out.
    """

    n_trials: int = 0
    sharpes: tuple[float, ...] = ()
    newest: tuple[TrialRow, ...] = ()
    fitted_sharpes: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Luck:
    """Where the yearly Sharpe ratios of worthless trials lie: about `centre`, zero at most, with a `deviation`."""

    centre: float
    deviation: float

    def best_of(self, n_trials: int) -> float:
        """Give what the best of so many is expected to show."""
        return self.centre + expected_maximum_sharpe(n_trials, self.deviation)


def measure_luck(groups: Iterable[Sequence[float]], *, n_trials: int, by_chance: float) -> Luck:
    """Find the luck that explains most.

    Parameters
    ----------
    groups
        Yearly Sharpe ratios of trials, finite; each group has a bar of its own. Equal ratios are one thing tried again
        and enter once; those below `RUINED_DEVIATIONS` of chance under zero do not enter.
    n_trials
        All trials, whether they have a ratio in a group or not, >= 1.
    by_chance
        Deviation of the yearly ratio of a strategy that is worth nothing, > 0.

    Returns
    -------
    Luck
        That of chance, or of the group with the highest bar if this is higher. A group of fewer than two has none.
    """
    found = [Luck(0.0, by_chance)]
    for group in groups:
        ratios = np.unique(np.asarray(group, dtype=np.float64))
        ratios = ratios[ratios >= -RUINED_DEVIATIONS * by_chance]
        if ratios.size > 1:
            found.append(Luck(min(0.0, float(np.median(ratios))), upper_deviation(ratios)))
    return max(found, key=lambda luck: luck.best_of(n_trials))


def measure_trials(
    account: ReplayResult, history: TrialHistory, how: Resampling, *, is_sound: bool
) -> TrialEvidence:
    """Deflate a Sharpe ratio by the trials of its track.

    Parameters
    ----------
    account
        The candidate's account over the folds.
    history
        The trials before this one.
    how
        Draws the interval of the ratio.
    is_sound
        Whether the leak test found nothing; if not, the ratio is no part of the spread.

    Returns
    -------
    TrialEvidence
        Held against `measure_luck` of all sound ratios and of those of the trainings alone, this one among them.
    """
    returns, year = account.returns, account.params.periods_per_year
    usable = bool(np.isfinite(returns).all())
    own = sharpe(returns, periods_per_year=year) if usable else None
    counted = (own.value,) if own is not None and is_sound else ()
    measured, fitted = (*history.sharpes, *counted), (*history.fitted_sharpes, *counted)
    n_trials = history.n_trials + 1
    luck = measure_luck((measured, fitted), n_trials=n_trials, by_chance=math.sqrt(year / returns.size))
    benchmark = luck.best_of(n_trials)
    return TrialEvidence(
        n_trials=n_trials,
        n_measured=len(measured),
        deviation=luck.deviation,
        expected_maximum=benchmark,
        sharpe=own.value if own is not None else None,
        sharpe_bounds=sharpe_bounds(WHOLE, returns, year, how) if own is not None else None,
        deflated_sharpe=deflated_sharpe(returns, benchmark, periods_per_year=year) if usable else None,
        newest=history.newest,
        centre=luck.centre,
    )
