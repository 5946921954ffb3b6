"""The Sharpe ratio of a candidate against all the trials that were made before it was shown.

Every training and every setting of a sweep of a track counts, passed or not. The spread is that of the yearly Sharpe
ratios of the sound ones: a candidate that reads the future shows a ratio no honest trial could have shown, so it counts
as an attempt but says nothing about how much honest attempts differ. A sweep over settings that hardly differ cannot
shrink the spread below that of the trainings: trying more never lowers what a score is held against.
"""

import math
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


@dataclass(frozen=True, slots=True)
class TrialHistory:
    """The trials of a track so far: how many, the yearly Sharpe ratios of the sound ones, the newest first.

    `fitted_sharpes` are those of the sound ones that fitted a model, settings of sweeps left out.
    """

    n_trials: int = 0
    sharpes: tuple[float, ...] = ()
    newest: tuple[TrialRow, ...] = ()
    fitted_sharpes: tuple[float, ...] = ()


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
        The spread is that of all sound ratios, or that of the trainings alone if it is larger; equal ratios are one
        thing tried again and enter once. With fewer than two it is what chance gives a worthless strategy on as many
        bars: a deviation of ``1 / sqrt(n)`` a bar.
    """
    returns, year = account.returns, account.params.periods_per_year
    usable = bool(np.isfinite(returns).all())
    own = sharpe(returns, periods_per_year=year) if usable else None
    counted = (own.value,) if own is not None and is_sound else ()
    measured, fitted = (*history.sharpes, *counted), (*history.fitted_sharpes, *counted)
    n_trials = history.n_trials + 1
    by_chance = math.sqrt(year / returns.size)
    spreads = [upper_deviation(one) for one in map(np.unique, (measured, fitted)) if one.size > 1]
    deviation = max(spreads, default=by_chance)
    benchmark = expected_maximum_sharpe(n_trials, deviation)
    return TrialEvidence(
        n_trials=n_trials,
        n_measured=len(measured),
        deviation=deviation,
        expected_maximum=benchmark,
        sharpe=own.value if own is not None else None,
        sharpe_bounds=sharpe_bounds(WHOLE, returns, year, how) if own is not None else None,
        deflated_sharpe=deflated_sharpe(returns, benchmark, periods_per_year=year) if usable else None,
        newest=history.newest,
    )
