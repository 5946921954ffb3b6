"""Losses as numbers: of orders against their estimate, and of an account against its equity (contract 1.5, K-32).

Money is Decimal; ratios are floats. Losses are positive. What cannot be computed is refused, never called zero.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.exceptions import InputError

MOST_SHORTFALL = 5.0
_NO_NOTIONAL = 1e-9
_NO_LOSS = -1e-12


@dataclass(frozen=True, slots=True)
class OrderOutcomes:
    """How filled and partly filled orders fared, summed, in quote currency.

    The edge of an order is what it won against its estimate, side x (estimated - average fill price) x quantity, and
    its notional is what it was estimated to move; an order that lacks a number of either adds nothing to that one.
    """

    edge_quote: Decimal
    notional_quote: Decimal


def execution_shortfall_ratio(edges: Sequence[Decimal], notionals: Sequence[Decimal]) -> float:
    """Compute the loss of fills against their estimates: the `daily_loss_ratio` of the contract.

    Parameters
    ----------
    edges
        Of each order, quote currency; finite.
    notionals
        Of the same orders.

    Returns
    -------
    float
        Loss as a fraction of the notional, 0..5; 0 when nothing was lost or the notional is next to nothing.

    Raises
    ------
    InputError
        If the two differ in length or hold a number that is not finite.

    Examples
    --------
    >>> execution_shortfall_ratio([Decimal(-10), Decimal(-5)], [Decimal(1000), Decimal(500)])
    0.01
    """
    if len(edges) != len(notionals):
        raise InputError(f"edges and notionals must be as many, were {len(edges)} and {len(notionals)}")
    for number in (*edges, *notionals):
        if not number.is_finite():
            raise InputError(f"edges and notionals must be finite, was {number}")
    lost, moved = -sum(edges, Decimal(0)), sum((abs(n) for n in notionals), Decimal(0))
    if lost <= 0 or float(moved) <= _NO_NOTIONAL:
        return 0.0
    return min(float(lost / moved), MOST_SHORTFALL)


def loss_streak(results: Iterable[Decimal | float]) -> int:
    """Count the losses since the last result that was none.

    Parameters
    ----------
    results
        Newest first: edges of orders (the contract's rule), or net results of closed round trips (K-32).

    Returns
    -------
    int
        How many stand before the first that is at least -1e-12.

    Raises
    ------
    InputError
        If a result that counts is not finite.

    Examples
    --------
    >>> loss_streak([-1, -0.2, 0, -3])
    2
    """
    streak = 0
    for result in results:
        if not math.isfinite(result):
            raise InputError(f"a result must be finite, was {result}")
        if result >= _NO_LOSS:
            break
        streak += 1
    return streak


def daily_equity_loss(start_equity: Decimal, equity: Decimal, *, net_deposits: Decimal = Decimal(0)) -> float:
    """Compute the loss since 00:00 UTC: realised, unrealised and fees, as equity shows them.

    Parameters
    ----------
    start_equity
        At 00:00 UTC, quote currency, > 0.
    equity
        Now.
    net_deposits
        Paid in since, less what was paid out: no gain and no loss.

    Returns
    -------
    float
        Positive fraction of `start_equity`; 0 when nothing was lost. Above 1 when more than all was lost.

    Raises
    ------
    InputError
        If a number is not finite, or there was no equity at the start: a loss of nothing is not known to be none.

    Examples
    --------
    >>> daily_equity_loss(Decimal(1000), Decimal(1460), net_deposits=Decimal(500))
    0.04
    """
    for name, value in (("start_equity", start_equity), ("equity", equity), ("net_deposits", net_deposits)):
        if not value.is_finite():
            raise InputError(f"{name} must be finite, was {value}")
    if not start_equity > 0:
        raise InputError(f"start_equity must be > 0, was {start_equity}")
    return max(0.0, float((start_equity + net_deposits - equity) / start_equity))


def equity_drawdown(equity: Decimal, peak: Decimal) -> float:
    """Compute how far equity lies below its peak, as a positive fraction of it; both finite, the peak > 0."""
    if not (equity.is_finite() and peak.is_finite() and peak > 0):
        raise InputError(f"equity must be finite and its peak > 0, were {equity} and {peak}")
    return max(0.0, float(1 - equity / peak))
