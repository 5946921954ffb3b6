"""Books what perpetual positions paid and got for being held, as the venue says it (K-29, ADR 0257).

A venue pays for the net of an account, and the strategies that make it up share it by what they held when it was due.
What nobody of ours held is not booked: it is told, and the cash differs until somebody says why.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from marketsentry.core.account.funding import share_funding
from marketsentry.core.orders.order import ZERO
from marketsentry.exceptions import DependencyError
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.accounts import Account
from marketsentry.ports.execution import Venues
from marketsentry.ports.funding import Holding
from marketsentry.ports.risk import RiskEvent, Severity
from marketsentry.ports.venue import FundingPayment
from marketsentry.services.ledger import PAPER, HoldingCost, charge_funding
from marketsentry.services.tell_once import tell_once

UNBOOKED_FUNDING = "unbooked_funding"
SETTLES_WITHIN = timedelta(minutes=10)  # orders on their way may have filled before a payment that is younger
_OVERLAP = timedelta(hours=1)  # payments of one hour are listed one by one
log = structlog.get_logger(__name__)


async def book_funding(*, transactions: Transactions, venues: Venues, clock: Clock) -> int:
    """Book the payments of all accounts at venues that are not booked yet.

    Parameters
    ----------
    transactions
        The record.
    venues
        Where the accounts are.
    clock
        Tells how old a payment is.

    Returns
    -------
    int
        How many were booked now. An account whose venue cannot be asked is left for the next time.

    Raises
    ------
    DependencyError
        If the record is away.
    """
    async with transactions() as stores:
        accounts = [
            (one, due)
            for one in await stores.accounts.list()
            if one.adapter != PAPER and not one.is_apart
            if (due := await stores.funding.due_since(one.id)) is not None
        ]
    n_booked = 0
    for account, due in accounts:
        try:
            venue = await venues.open(account.adapter, account.venue, fee_bps=ZERO)
            payments = await venue.funding_since(due - _OVERLAP)
        except DependencyError as error:
            log.warning("funding_not_read", venue=account.venue, reason=str(error))
            continue
        if payments:
            n_booked += await _book(account, payments, transactions=transactions, at=clock.now())
    return n_booked


async def _book(
    account: Account, payments: Sequence[FundingPayment], *, transactions: Transactions, at: datetime
) -> int:
    n_booked, nobodys = 0, []
    async with transactions() as stores:
        await stores.accounts.hold(account)
        known = await stores.funding.booked(account.id, [_reference(one) for one in payments])
        moving = {one.target for one in await stores.orders.open(account_id=account.id)}
        for payment in payments:
            is_young = at - payment.at < SETTLES_WITHIN
            if _reference(payment) in known or (payment.symbol in moving and is_young):
                continue
            if await _share(stores, account, payment):
                n_booked += 1
            else:
                nobodys.append(payment)
    if n_booked:
        log.info("funding_booked", venue=account.venue, n_payments=n_booked)
    await tell_once([_event(account, one) for one in nobodys], transactions=transactions)
    return n_booked


async def _share(stores: Stores, account: Account, payment: FundingPayment) -> bool:
    """Charge who held the position; tell whether anybody did."""
    if payment.currency != account.currency:
        return False
    for due in (_hour_of(payment.at), payment.at):
        held = await stores.funding.held_at(account.id, payment.symbol, due)
        if _net(held):
            break
    else:
        return False
    parts = share_funding(payment.amount, [one.qty for one in held])
    for one, amount in zip(held, parts, strict=True):
        cost = HoldingCost(payment.symbol, -amount, _reference(payment))
        await charge_funding(stores, account, one.ledger, cost, at=payment.at)
    return True


def _net(held: Sequence[Holding]) -> Decimal:
    return sum((one.qty for one in held), ZERO)


def _hour_of(at: datetime) -> datetime:
    """When a payment was due: at a whole hour; it is written a little later."""
    return at.replace(minute=0, second=0, microsecond=0)


def _reference(payment: FundingPayment) -> str:
    return f"funding:{payment.payment_id}"


def _event(account: Account, payment: FundingPayment) -> RiskEvent:
    return RiskEvent(
        Severity.WARNING,
        f"{UNBOOKED_FUNDING}:{account.adapter}:{account.venue}:{payment.payment_id}",
        f"{account.venue} moved {payment.amount} {payment.currency} for a position in {payment.symbol} that no "
        "strategy held",
        payload={"symbol": payment.symbol, "amount": str(payment.amount), "at": payment.at.isoformat()},
    )
