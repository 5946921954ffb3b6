"""Turnover: how often the account was traded over."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError


def turnover(notional_quote: NDArray[np.float64], equity_quote: NDArray[np.float64]) -> float:
    """Sum traded notional over the equity it was traded with.

    Parameters
    ----------
    notional_quote
        Shape (n_fills,). Absolute notional of each fill at its reference price.
    equity_quote
        Shape (n_fills,). Account equity at the close before each fill.

    Returns
    -------
    float
        In units of the account: 2.0 is one full round trip. Fills without positive equity before them (an
        account that is being closed out) are left out.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if notional_quote.shape != equity_quote.shape:
        raise InputError(
            f"notional and equity must have one shape, were {notional_quote.shape} and {equity_quote.shape}"
        )
    funded = equity_quote > 0
    return float(np.sum(notional_quote[funded] / equity_quote[funded]))
