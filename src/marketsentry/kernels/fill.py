"""How much of an order one bar fills.

The order works through the bar and is priced at the bar's open (costs come on top). It takes at most a share
of what traded in that bar, so a large order is filled over several. A lost bar and a bar without trades fill
nothing.
"""

import numpy as np

from marketsentry.kernels.compiling import kernel


@kernel
def match(wanted_qty: float, price: float, volume: float, participation_frac: float) -> float:
    """Signed quantity filled of `wanted_qty`; NaN or zero in price or volume fills nothing."""
    if not (price > 0.0 and volume > 0.0):
        return 0.0
    most = participation_frac * volume
    if abs(wanted_qty) <= most:
        return wanted_qty
    return float(np.copysign(most, wanted_qty))
