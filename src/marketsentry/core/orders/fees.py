"""What a fee is worth in the currency that the account counts in."""

from collections.abc import Mapping
from decimal import Decimal

from marketsentry.core.orders.order import ZERO, Fill
from marketsentry.exceptions import InputError


def fee_in_quote(fill: Fill, *, base: str, rates: Mapping[str, Decimal]) -> Decimal:
    """Value the fee of a fill.

    Parameters
    ----------
    fill
        The fill with its fee.
    base
        What is traded: a fee in it counts at the price of the fill.
    rates
        Value of one unit of other currencies in quote currency; the quote currency itself is 1.

    Returns
    -------
    Decimal
        Positive when paid.

    Raises
    ------
    InputError
        If the fee is in a currency without a rate: a fee is never taken for zero.
    """
    if not fill.fee:
        return ZERO
    if fill.fee_currency in rates:
        return fill.fee * rates[fill.fee_currency]
    if fill.fee_currency == base:
        return fill.fee * fill.price
    raise InputError(
        f"fee of fill {fill.trade_id} must be in {base} or one of {sorted(rates)}, was in {fill.fee_currency}"
    )
