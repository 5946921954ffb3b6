"""A payment for a net position, shared among the strategies that make it up."""

from collections.abc import Sequence
from decimal import Decimal

from marketsentry.core.account.rounding import in_money
from marketsentry.core.orders.order import ZERO
from marketsentry.exceptions import InputError

_STEP = Decimal("1E-8")


@in_money
def share_funding(amount: Decimal, held: Sequence[Decimal]) -> list[Decimal]:
    """Share what an account paid or got for its net position: each part as what it holds is to the net.

    Who holds against the net gets what the others pay. Nothing is lost: the parts add up to the amount.

    Parameters
    ----------
    amount
        In the currency of the account, of either sign.
    held
        Signed base units of each strategy, (n,).

    Returns
    -------
    list of Decimal
        One part for each of `held`, to eight digits or as many as the amount has; the largest holder takes what
        rounding leaves.

    Raises
    ------
    InputError
        If the net is zero: then nobody can have paid.
    """
    net = sum(held, ZERO)
    if not (net and amount.is_finite()):
        raise InputError(f"a payment of {amount} needs a net position, was {net}")
    step = _STEP if amount % _STEP == 0 else amount
    parts = [(amount * qty / net).quantize(step) for qty in held]
    largest = max(range(len(held)), key=lambda place: abs(held[place]))
    parts[largest] += amount - sum(parts, ZERO)
    return parts
