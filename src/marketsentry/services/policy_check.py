"""Try the promises of a policy on an invented market."""

import numpy as np

from marketsentry.core.backtest.policy import UserPolicy
from marketsentry.core.backtest.policy_check import Progress, check_policy
from marketsentry.core.conformance import ConformanceReport
from marketsentry.services.feature_check import trial_panel

_N_BARS = 1_200
_MISSING_FRAC = 0.05
_SCALE = 0.01  # far beyond the costs, so that a cautious policy trades too


def check_policy_on_trial_market(
    policy: UserPolicy, *, seed: int, on_progress: Progress = lambda step, share: None
) -> ConformanceReport:
    """Check a policy on three invented symbols with lost bars and with predictions that come, turn and go missing."""
    rng = np.random.default_rng(seed)
    panel = trial_panel(_N_BARS, rng)
    predictions = rng.normal(0.0, _SCALE, (_N_BARS, len(panel.symbols)))
    for t in range(1, _N_BARS):
        predictions[t] = 0.9 * predictions[t - 1] + np.sqrt(1.0 - 0.9**2) * predictions[t]
    predictions[rng.random(predictions.shape) < _MISSING_FRAC] = np.nan
    return check_policy(policy, panel, predictions, rng=rng, on_progress=on_progress)
