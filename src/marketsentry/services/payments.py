"""What a person books by hand: payments in and out, and corrections with a reason."""

from dataclasses import dataclass
from decimal import Decimal

from marketsentry.exceptions import InputError
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.accounts import Account, SubLedger
from marketsentry.services.ledger import adjust, check_strategy, pay


@dataclass(frozen=True, slots=True)
class LedgerName:
    """Names an account, which is created where there is none, and the strategy in it that is paid."""

    adapter: str
    venue: str
    name: str
    currency: str
    strategy_id: str
    track: str

    def __post_init__(self) -> None:
        check_strategy(self.strategy_id, name="strategy")


@dataclass(frozen=True, slots=True)
class Paid:
    """What became of a payment: whether it was new, and the cash of its currency after it."""

    account: Account
    ledger: SubLedger
    is_new: bool
    currency: str
    cash: Decimal


async def pay_by_hand(
    to: LedgerName, amount: Decimal, *, reference: str, transactions: Transactions, clock: Clock
) -> Paid:
    """Pay into a strategy, or out of it when `amount` is negative.

    Parameters
    ----------
    to
        Who is paid, in the currency of the account.
    amount
        Not zero.
    reference
        Names the payment; one of the same name and direction is booked once.
    transactions
        The record.
    clock
        Says when.

    Returns
    -------
    Paid

    Raises
    ------
    InputError
        If the amount is zero or no number, or the reference is blank.
    ConflictError
        If the account has another currency.
    """
    if not (amount.is_finite() and amount):
        raise InputError(f"amount must be a number other than 0, was {amount}")
    if not reference.strip():
        raise InputError("reference must name the payment, was blank")
    async with transactions() as stores:
        account, ledger = await _open(stores, to)
        is_new = await pay(stores, ledger, amount, reference=reference, at=clock.now())
        return await _paid(stores, account, ledger, is_new=is_new)


async def adjust_by_hand(
    to: LedgerName, amount: Decimal, *, reason: str, transactions: Transactions, clock: Clock
) -> Paid:
    """Correct the cash of a strategy by `amount`, which counts as gain or loss; the same reason corrects once."""
    if not (amount.is_finite() and amount):
        raise InputError(f"amount must be a number other than 0, was {amount}")
    async with transactions() as stores:
        account, ledger = await _open(stores, to)
        is_new = await adjust(
            stores, ledger, amount, currency=account.currency, reason=reason, at=clock.now()
        )
        return await _paid(stores, account, ledger, is_new=is_new)


async def _open(stores: Stores, to: LedgerName) -> tuple[Account, SubLedger]:
    account = await stores.accounts.open(
        adapter=to.adapter, venue=to.venue, name=to.name, currency=to.currency
    )
    return account, SubLedger(account.id, to.strategy_id, to.track)


async def _paid(stores: Stores, account: Account, ledger: SubLedger, *, is_new: bool) -> Paid:
    cash = await stores.accounts.cash(ledger)
    return Paid(account, ledger, is_new, account.currency, cash.get(account.currency, Decimal(0)))
