"""From a prediction to a wanted side and conviction: one target, one bar.

A prediction is the expected gross return over the horizon, as a fraction. The thresholds already hold the
round-trip cost, so a forecast that would not pay for its own trade opens nothing.
"""

from math import isnan

from marketsentry.kernels.compiling import kernel


@kernel
def is_usable(prediction: float, confidence: float, min_confidence: float) -> bool:
    """Tell whether a prediction may be acted on; NaN in either value says no."""
    return not isnan(prediction) and confidence >= min_confidence


@kernel
def score_to_side(
    prediction: float, side: float, entry_frac: float, exit_frac: float, allow_short: bool
) -> float:
    """Side wanted now: +1, 0 or -1, with hysteresis.

    Open beyond `entry_frac`; once open, stay while the prediction is still beyond `exit_frac` on that side.
    Idempotent: asked again with its own answer as `side`, it answers the same.
    """
    if prediction > entry_frac:
        return 1.0
    if prediction < -entry_frac:
        return -1.0 if allow_short else 0.0
    if side > 0.0 and prediction > exit_frac:
        return 1.0
    if side < 0.0 and prediction < -exit_frac:
        return -1.0
    return 0.0


@kernel
def conviction(prediction: float, confidence: float, sigma: float, full_sigmas: float) -> float:
    """Size of the wish, 0..1: the prediction in units of `full_sigmas` horizon deviations, times confidence.

    `full_sigmas` of 0 makes every usable prediction a full wish. Confidence counts at least 0.1, so that a
    side that is wanted at all is held with something.
    """
    strength = 1.0
    if full_sigmas > 0.0:
        strength = min(1.0, abs(prediction) / (full_sigmas * sigma)) if sigma > 0.0 else 0.0
    return strength * min(1.0, max(0.1, confidence))


@kernel
def score_to_weight(
    prediction: float,
    confidence: float,
    sigma: float,
    side: float,
    entry_frac: float,
    exit_frac: float,
    full_sigmas: float,
    allow_short: bool,
) -> float:
    """Wanted weight before sizing, -1..1; `sigma` is the return deviation over the horizon."""
    wanted = score_to_side(prediction, side, entry_frac, exit_frac, allow_short)
    if wanted == 0.0:
        return 0.0
    return wanted * conviction(prediction, confidence, sigma, full_sigmas)
