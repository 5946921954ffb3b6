"""How much of an order one bar fills.

The order works through the bar and is priced at the bar's open (costs come on top). It takes at most a share
of what traded in that bar, so a large order is filled over several. A lost bar and a bar without trades fill
nothing.
"""

import numpy as np

from marketsentry.kernels.compiling import kernel
from marketsentry.kernels.cost import impact_bps, quote


@kernel
def match(wanted_qty: float, price: float, volume: float, participation_frac: float) -> float:
    """Signed quantity filled of `wanted_qty`; NaN or zero in price or volume fills nothing."""
    if not (price > 0.0 and volume > 0.0):
        return 0.0
    most = participation_frac * volume
    if abs(wanted_qty) <= most:
        return wanted_qty
    return float(np.copysign(most, wanted_qty))


@kernel
def execute(
    wanted_qty: float,
    price: float,
    volume: float,
    volatility: float,
    participation_frac: float,
    impact_coefficient: float,
    half_spread_bps: float,
    fee_bps: float,
) -> tuple[float, float, float, float, float]:
    """Fill an order in one bar: signed quantity, price paid, and fee, slippage and impact in quote currency.

    `price` and `volume` are the bar's, `volatility` the deviation of its return as estimated before it. Nothing filled
    gives zeros. The price paid has slippage and impact in it.
    """
    qty = match(wanted_qty, price, volume, participation_frac)
    if qty == 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    impact = 0.0
    if impact_coefficient > 0.0:
        impact = impact_bps(impact_coefficient, volatility, abs(qty) / volume)
    paid = price * (1.0 + np.copysign(1e-4 * (half_spread_bps + impact), qty))
    fee, slippage, cost = quote(abs(qty) * price, fee_bps, half_spread_bps, impact)
    return qty, paid, fee, slippage, cost
