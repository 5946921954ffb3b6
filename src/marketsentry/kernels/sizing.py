"""From a wish to a weight: volatility target per position and the drawdown taper."""

from math import sqrt

from marketsentry.kernels.compiling import kernel


@kernel
def next_variance(variance: float, ret: float, n_returns: float, alpha: float) -> float:
    """Variance of bar returns after one more return, about zero.

    A plain mean of squares until `1 / alpha` returns are seen, then exponentially weighted with `alpha`:
    the start has no arbitrary seed and the estimate forgets at one rate afterwards. `n_returns` counts `ret`.
    """
    weight = alpha if n_returns * alpha >= 1.0 else 1.0 / n_returns
    return variance + weight * (ret * ret - variance)


@kernel
def volatility_of(variance: float, n_returns: float, warmup: float) -> float:
    """Per-bar return deviation, or 0.0 (unknown) before `warmup` returns and for a price that never moved."""
    return sqrt(variance) if n_returns >= warmup else 0.0


@kernel
def volatility_weight(wanted: float, volatility: float, target: float) -> float:
    """Scale a wish in -1..1 so that the position's own deviation per bar is `target`; unknown gives 0.

    `target` of 0 switches the rule off: a full wish is then a weight of 1, left to the caps.
    """
    if target == 0.0:
        return wanted
    return wanted * (target / volatility) if volatility > 0.0 else 0.0


@kernel
def drawdown_taper(
    equity: float, peak: float, start_frac: float, stop_frac: float, floor_frac: float
) -> float:
    """Share of size to use: 1 until a drawdown of `start_frac`, falling to `floor_frac` at `stop_frac`."""
    if equity >= peak * (1.0 - start_frac):
        return 1.0
    drawdown = 1.0 - equity / peak
    if drawdown >= stop_frac:
        return floor_frac
    return 1.0 - (1.0 - floor_frac) * (drawdown - start_frac) / (stop_frac - start_frac)
