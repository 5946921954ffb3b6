"""Entries of the ledger, and which of them a fill writes.

Every product of an account is quoted in the currency of the account. A fee that the venue takes out of what was bought
is paid in kind: the position grows by less, and cash moves by the whole notional, part of it called a fee.

A fee in a third currency, such as the venue's own coin, is paid out of what the account holds of it, and no strategy
does. So the strategy pays what it is worth to the account, which pays the coin (ADR 0261): a ledger of its own has the
one in and the other out, and cash still adds up to what the venue shows. Where nobody can tell what it is worth, the
strategy owes the coin itself and has no equity until the coin has a rate.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from marketsentry.core.account.rounding import in_money
from marketsentry.core.market.symbols import Market, base_of, market_of_symbol
from marketsentry.core.orders.order import ZERO, Fill, Side
from marketsentry.exceptions import InputError


class EntryKind(StrEnum):
    """Why cash moved."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRADE = "trade"
    FEE = "fee"
    FUNDING = "funding"
    BORROW = "borrow"
    ADJUSTMENT = "adjustment"  # a correction that somebody asked for; it counts as gain or loss

    @property
    def is_flow(self) -> bool:
        """Whether it is paid in or out, and so is no gain and no loss."""
        return self in (EntryKind.DEPOSIT, EntryKind.WITHDRAWAL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of cash: `amount` of `currency` is positive when it comes in.

    `reference` is unique within a kind, so that the same movement is written once. `fill_id` names the fill behind a
    trade or a fee.
    """

    kind: EntryKind
    currency: str
    amount: Decimal
    reference: str
    at: datetime
    target: str | None = None
    fill_id: int | None = None

    def __post_init__(self) -> None:
        if not self.amount.is_finite():
            raise InputError(f"amount of {self.kind} {self.reference} must be finite, was {self.amount}")
        if self.kind is EntryKind.DEPOSIT and not self.amount > 0:
            raise InputError(f"amount of deposit {self.reference} must be > 0, was {self.amount}")
        if self.kind is EntryKind.WITHDRAWAL and not self.amount < 0:
            raise InputError(f"amount of withdrawal {self.reference} must be < 0, was {self.amount}")


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a fill does: to the position (`qty` base units, `fee_quote` in quote currency), and to cash.

    `is_advanced` where the account pays the fee in its own coin, and the strategy pays the account.
    """

    qty: Decimal
    fee_quote: Decimal
    trade_quote: Decimal
    fee_amount: Decimal
    fee_currency: str
    is_advanced: bool = False

    def entries(self, fill: Fill, target: str, *, quote: str, fill_id: int) -> tuple[Entry, ...]:
        """Write it as entries of the strategy's ledger; no entry where no fee was taken."""
        reference = f"fill:{fill_id}"
        trade = Entry(EntryKind.TRADE, quote, self.trade_quote, reference, fill.at, target, fill_id)
        if not self.fee_amount:
            return (trade,)
        fee = Entry(EntryKind.FEE, self.fee_currency, -self.fee_amount, reference, fill.at, target, fill_id)
        return trade, fee

    def advanced(self, fill: Fill, *, fill_id: int) -> tuple[Entry, ...]:
        """Write what the account got from the strategy, and paid the venue for it, as entries of its own ledger."""
        if not self.is_advanced:
            return ()
        got = Entry(EntryKind.FEE, self.fee_currency, self.fee_amount, f"fill:{fill_id}:strategy", fill.at)
        paid = Entry(EntryKind.FEE, fill.fee_currency, -fill.fee, f"fill:{fill_id}:venue", fill.at)
        return got, paid


def is_third(fee_currency: str, target: str, *, quote: str) -> bool:
    """Whether a fee of a target moves neither the cash of the account nor what is traded."""
    return fee_currency != quote and not _is_in_kind(fee_currency, target)


def _is_in_kind(fee_currency: str, target: str) -> bool:
    return fee_currency == base_of(target) and market_of_symbol(target) is Market.SPOT


@in_money
def settle(fill: Fill, side: Side, target: str, *, quote: str) -> Settlement:
    """Tell what a fill of a target does to an account in `quote`.

    Parameters
    ----------
    fill
        As the venue told it.
    side
        Of the order.
    target
        Our symbol; its base says whether the fee was paid in kind.
    quote
        Currency of the account.

    Returns
    -------
    Settlement
        Position and cash move so that nothing is lost: cash by the notional and a fee in quote currency, the position
        by the quantity less a fee in kind.

    Raises
    ------
    InputError
        If a fee in kind is as large as the fill.
    """
    if fill.fee_currency == quote or not fill.fee:
        return Settlement(fill.qty, fill.fee, -side.sign * fill.notional, fill.fee, quote)
    if _is_in_kind(fill.fee_currency, target):
        qty = fill.qty - side.sign * fill.fee
        if not qty > 0:
            raise InputError(
                f"fee of fill {fill.trade_id} must be less than its qty {fill.qty}, was {fill.fee} {fill.fee_currency}"
            )
        fee_quote = fill.fee * fill.price
        return Settlement(qty, fee_quote, -side.sign * qty * fill.price, fee_quote, quote)
    trade_quote = -side.sign * fill.notional
    if fill.fee_quote is None:
        return Settlement(fill.qty, ZERO, trade_quote, fill.fee, fill.fee_currency)
    return Settlement(fill.qty, fill.fee_quote, trade_quote, fill.fee_quote, quote, is_advanced=True)
