"""Runs the conformance kit on a user's venue: makes it, asks, tries it, closes it."""

import asyncio
import inspect
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, cast

import typer

from marketsentry.cli.progress import steps_on_stderr
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.services.plugins import load_venue_factory
from marketsentry.services.venue_check import check_venue
from marketsentry.services.venue_trial import VenueTrial

if TYPE_CHECKING:
    from marketsentry.core.conformance import ConformanceReport
    from marketsentry.ports.venue import Venue


def run_venue_check(reference: str, *, symbol: str, qty: str | None, is_agreed: bool) -> "ConformanceReport":
    """Try a venue by reference.

    Parameters
    ----------
    reference
        Of its factory.
    symbol
        Product to trade.
    qty
        How much, a decimal number; None for twice the smallest order.
    is_agreed
        Whether the orders may be sent without asking.

    Returns
    -------
    ConformanceReport
        What was tried.

    Raises
    ------
    ConflictError
        If the orders are not agreed to.
    """
    wanted = None if qty is None else _positive(qty)
    factory = load_venue_factory(reference)
    question = f"This sends small real orders for {symbol} to the account that {reference} opens. Go on?"
    if not is_agreed and not typer.confirm(question, err=True):
        raise ConflictError("nothing was sent: the orders were not agreed to")

    async def tried() -> "ConformanceReport":
        made = factory()
        made = await made if inspect.isawaitable(made) else made
        trial = made if isinstance(made, VenueTrial) else VenueTrial(cast("Venue", made), symbol, wanted)
        try:
            with steps_on_stderr() as on_progress:
                return await check_venue(trial, on_progress=on_progress)
        finally:
            await trial.venue.close()

    return asyncio.run(tried())


def _positive(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and number > 0):
        raise InputError(f"--qty must be a number > 0, was {text!r}")
    return number
