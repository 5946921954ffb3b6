"""What a fill costs against the reference price, in bps of its notional; positive is worse for us.

Impact follows the square-root law with the bar as its clock: deviation of one bar's return times the root of
the share taken of that bar's volume. Measured per day it is the same number, for both scale with the root of
time, so the coefficient carries over between intervals.
"""

from math import sqrt

from marketsentry.kernels.compiling import kernel


@kernel
def impact_bps(coefficient: float, volatility: float, participation: float) -> float:
    """Square-root impact; `volatility` per bar as a fraction, `participation` of the bar's volume."""
    return 1e4 * coefficient * volatility * sqrt(participation)


@kernel
def quote(
    notional: float, fee_bps: float, half_spread_bps: float, impact: float
) -> tuple[float, float, float]:
    """Fee, slippage and impact in quote currency, each on the same reference notional, each once."""
    share = 1e-4 * notional
    return share * fee_bps, share * half_spread_bps, share * impact
