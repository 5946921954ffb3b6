"""At which price the venue takes a leveraged position away."""

import math

from marketsentry.exceptions import InputError
from marketsentry.kernels import margin as kernel


def liquidation_price(
    qty: float,
    entry_price: float,
    *,
    margin_quote: float,
    maintenance_frac: float,
    deduction_quote: float = 0.0,
) -> float | None:
    """Compute the liquidation price of a position in a linear perpetual.

    Parameters
    ----------
    qty
        Signed base units, not zero.
    entry_price
        Average, in quote currency.
    margin_quote
        What backs the position. Isolated: its margin. Cross: the wallet balance, plus the unrealised gains of the
        other positions, less their maintenance margin.
    maintenance_frac
        Maintenance margin rate of the notional's bracket, 0..1.
    deduction_quote
        Maintenance amount of that bracket, as the venue publishes it.

    Returns
    -------
    float or None
        Quote currency; None where no positive price liquidates the position.

    Raises
    ------
    InputError
        If a number is not finite or out of range.

    Notes
    -----
    Solves ``margin + qty (P - entry) = abs(qty) P maintenance - deduction`` for ``P``.

    References
    ----------
    Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts" (one-way mode).

    Examples
    --------
    A long of 1 bought at 100 with a margin of 10 (leverage 10) and a maintenance margin of 1 %:

    >>> round(liquidation_price(1.0, 100.0, margin_quote=10.0, maintenance_frac=0.01), 4)
    90.9091
    """
    if not (math.isfinite(qty) and qty != 0.0):
        raise InputError(f"qty must be finite and not 0, was {qty}")
    if not 0.0 < entry_price < math.inf:
        raise InputError(f"entry_price must be > 0 and finite, was {entry_price}")
    if not math.isfinite(margin_quote):
        raise InputError(f"margin_quote must be finite, was {margin_quote}")
    if not 0.0 <= maintenance_frac < 1.0:
        raise InputError(f"maintenance_frac must be >= 0 and < 1, was {maintenance_frac}")
    if not 0.0 <= deduction_quote < math.inf:
        raise InputError(f"deduction_quote must be >= 0 and finite, was {deduction_quote}")
    price = kernel.liquidation_price(qty, entry_price, margin_quote, maintenance_frac, deduction_quote)
    return None if math.isnan(price) else float(price)
