"""The ledger of accounts: fills, funding, payments and marks become positions, cash and equity.

All of it happens in the transaction of the caller, under the lock of the account, and is written once whatever is told
twice. Nothing here corrects a difference to the venue: that takes an adjustment with a reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.core.account.entries import Entry, EntryKind, settle
from marketsentry.core.account.equity import Equity, next_equity
from marketsentry.core.account.position import Position, apply_funding, marked_later, take_fill
from marketsentry.core.account.valuation import value
from marketsentry.core.orders.order import ZERO, Fill
from marketsentry.exceptions import InputError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import (
    FEE_COINS,
    GLOBAL,
    Account,
    Booking,
    EquityMark,
    HeldPosition,
    LedgerState,
    RoundTrip,
    SubLedger,
)
from marketsentry.ports.together import together

PAPER = "paper"
PAPER_CAPITAL = "paper-capital"
_SHORTEST = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Booked:
    """The position after a booking, and the fills that were new."""

    position: Position
    new_fills: tuple[Fill, ...]


def check_strategy(strategy_id: str, *, name: str) -> None:
    """Refuse a name that means something else; `name` is that of the argument."""
    if strategy_id == GLOBAL:
        raise InputError(f"{name} must not be {GLOBAL}, which means the whole track")
    if strategy_id == FEE_COINS:
        raise InputError(f"{name} must not be {FEE_COINS}, which pays fees in coins of the account")


async def open_ledger(
    stores: Stores, account: Account, *, strategy_id: str, track: str, paper_capital: Decimal, at: datetime
) -> SubLedger:
    """Name the part of an account that belongs to a strategy; on paper it begins with its capital, paid in once."""
    check_strategy(strategy_id, name="strategy_id")
    ledger = SubLedger(account.id, strategy_id, track)
    if account.adapter == PAPER:
        await pay(stores, ledger, paper_capital, reference=PAPER_CAPITAL, at=at)
    return ledger


async def pay(
    stores: Stores,
    ledger: SubLedger,
    amount: Decimal,
    *,
    reference: str,
    at: datetime,
    currency: str | None = None,
) -> bool:
    """Pay in, or out when `amount` is negative; tells whether the reference was new.

    Parameters
    ----------
    stores
        Of the caller's transaction.
    ledger
        Who is paid.
    amount
        Of `currency`, not zero.
    reference
        Names the payment; a second one of the same name and direction changes nothing.
    at
        When it was paid.
    currency
        That of the account when absent.

    Returns
    -------
    bool
        False when the payment was known.
    """
    account = await stores.accounts.lock(ledger.account_id)
    kind = EntryKind.DEPOSIT if amount > 0 else EntryKind.WITHDRAWAL
    entry = Entry(kind, currency or account.currency, amount, reference, at)
    return bool(await stores.accounts.add_entries(ledger, (entry,)))


async def adjust(
    stores: Stores, ledger: SubLedger, amount: Decimal, *, currency: str, reason: str, at: datetime
) -> bool:
    """Correct cash by hand; `reason` is kept as its reference, and the same reason corrects once: False the next."""
    if not reason.strip():
        raise InputError("an adjustment must have a reason, was blank")
    await stores.accounts.lock(ledger.account_id)
    entry = Entry(EntryKind.ADJUSTMENT, currency, amount, reason, at)
    return bool(await stores.accounts.add_entries(ledger, (entry,)))


async def book_fills(stores: Stores, booking: Booking, *, account: Account | None = None) -> Booked:
    """Book the fills of one leg that are not known yet.

    Parameters
    ----------
    stores
        Of the transaction that records the fills as events of the order.
    booking
        The fills and whose they are.
    account
        That of the booking, where it is known: then nothing is waited for before fills and position.

    Returns
    -------
    Booked
        The position after them; fills that were known have moved nothing.

    Raises
    ------
    NotFoundError
        If there is no such account.
    InputError
        If a fee in kind is as large as its fill.
    """
    ledger, target = booking.ledger, booking.target
    if account is None:
        account = await stores.accounts.lock(ledger.account_id)
    else:
        await stores.accounts.hold(account)
    settlements = {
        fill.trade_id: settle(fill, booking.side, target, quote=account.currency) for fill in booking.fills
    }
    fees = [settlements[fill.trade_id].fee_quote for fill in booking.fills]
    new, held = await together(
        stores.accounts.add_fills(booking, fees), stores.accounts.positions(ledger, target=target)
    )
    position = held[0].position if held else Position()
    if not new:
        return Booked(position, ())
    entries: list[Entry] = []
    advanced: list[Entry] = []
    trips: list[RoundTrip] = []
    for stored in new:
        fill, settled = stored.fill, settlements[stored.fill.trade_id]
        moved = take_fill(position, booking.side, settled.qty, fill.price, settled.fee_quote)
        position = marked_later(moved.position, fill.price, fill.at)
        entries += settled.entries(fill, target, quote=account.currency, fill_id=stored.id)
        advanced += settled.advanced(fill, fill_id=stored.id)
        if moved.trip_quote is not None:
            trips.append(RoundTrip(target, stored.id, moved.trip_quote, fill.at))
    if trips:
        await stores.accounts.add_trips(ledger, trips)
    await stores.accounts.put_positions((HeldPosition(ledger, target, position),))
    await stores.accounts.put_entries(ledger, entries)
    if advanced:
        await stores.accounts.put_entries(account.fee_coins, advanced)
    return Booked(position, tuple(stored.fill for stored in new))


@dataclass(frozen=True, slots=True)
class HoldingCost:
    """What holding a target cost, positive when paid; `reference` names the charge, which is made once."""

    target: str
    paid_quote: Decimal
    reference: str


async def charge_holding(
    stores: Stores,
    account: Account,
    states: Sequence[LedgerState],
    costs: Sequence[HoldingCost],
    *,
    at: datetime,
    kind: EntryKind,
) -> Sequence[LedgerState]:
    """Charge funding or borrowing of positions; what was charged under its reference before is left alone.

    Parameters
    ----------
    stores
        Of the transaction that holds the account.
    account
        Its currency is paid.
    states
        Read under the lock: whose positions they are, and behind it sums that it belongs to.
    costs
        Of positions of the first.
    at
        When.
    kind
        What for.

    Returns
    -------
    sequence of LedgerState
        The states after it.
    """
    if not costs:
        return states
    own = states[0]
    held = {one.target: one.position for one in own.positions}
    known = (
        held if all(one.target in held for one in costs) else None
    )  # a state lacks positions that are flat
    charged, newest = await _charge(
        stores, own.ledger, costs, _holding_entries(costs, account, at=at, kind=kind), known
    )
    return [_charged(state, charged, newest) for state in states]


async def charge_funding(
    stores: Stores, account: Account, ledger: SubLedger, cost: HoldingCost, *, at: datetime
) -> None:
    """Charge one strategy its part of a payment for a position, once; the account is locked by the caller."""
    entries = _holding_entries((cost,), account, at=at, kind=EntryKind.FUNDING)
    await _charge(stores, ledger, (cost,), entries, None)


async def _charge(
    stores: Stores,
    ledger: SubLedger,
    costs: Sequence[HoldingCost],
    entries: Sequence[Entry],
    held: Mapping[str, Position] | None,
) -> tuple[Sequence[Entry], int]:
    """Write entries and tell positions, which are read where they are not known; the new entries, and their newest."""
    if held is not None:
        new = await stores.accounts.add_entries(ledger, entries)
    else:
        positions, new = await together(
            stores.accounts.positions(ledger), stores.accounts.add_entries(ledger, entries)
        )
        held = {one.target: one.position for one in positions}
    await _charge_positions(stores, ledger, costs, held, new)
    return [one for one in entries if one.reference in new], max(new.values(), default=0)


def _holding_entries(
    costs: Sequence[HoldingCost], account: Account, *, at: datetime, kind: EntryKind
) -> Sequence[Entry]:
    return [Entry(kind, account.currency, -one.paid_quote, one.reference, at, one.target) for one in costs]


async def _charge_positions(
    stores: Stores,
    ledger: SubLedger,
    costs: Sequence[HoldingCost],
    held: Mapping[str, Position],
    new: Mapping[str, int],
) -> None:
    """Tell the positions what holding them cost, for the entries that are new."""
    moved: dict[str, Position] = {}
    for one in costs:
        if one.reference in new:
            before = moved.get(one.target, held.get(one.target, Position()))
            moved[one.target] = apply_funding(before, one.paid_quote)
    if moved:
        await stores.accounts.put_positions([HeldPosition(ledger, *one) for one in moved.items()])


def _charged(state: LedgerState, entries: Sequence[Entry], newest_entry: int) -> LedgerState:
    cash = dict(state.cash)
    for entry in entries:
        cash[entry.currency] = cash.get(entry.currency, ZERO) + entry.amount
    return replace(state, cash=cash, newest_entry=max(state.newest_entry, newest_entry))


@dataclass(frozen=True, slots=True)
class Marked:
    """A sub-ledger as it was marked: its state, and what it was worth."""

    state: LedgerState
    mark: EquityMark


async def mark(
    stores: Stores,
    ledgers: Sequence[SubLedger],
    marks: Mapping[str, Decimal],
    *,
    at: datetime,
    marked_at: Mapping[str, datetime] | None = None,
    decision_id: str | None = None,
    trips_since: datetime | None = None,
    max_trips: int = 0,
) -> Mapping[SubLedger, Marked]:
    """Value what strategies hold, and the whole track in their account, and append all of it to their equity.

    Parameters
    ----------
    stores
        Of the caller's transaction.
    ledgers
        Whose equity, of one track in one account; that of the whole track alone may be asked for too.
    marks
        Price by target, quote currency > 0, for every strategy in the account. A currency other than the account's is
        priced by its name. A held target that is not in it keeps its last price, and so does one of which a later
        price is known.
    at
        When; moved to just after the last mark where it is not later.
    marked_at
        When each price was true; `at` for those that are not in it.
    decision_id
        The decision that asked.
    trips_since
        Round trips that ended since then are read with the states, at most `max_trips` of each; None means `at`.
    max_trips
        How many.

    Returns
    -------
    mapping of SubLedger to Marked
        Of each of `ledgers` and of the whole track, as they were stored.

    Raises
    ------
    DataQualityError
        If something that is held has no price at all: nothing is written then.
    """
    account = await stores.accounts.lock(ledgers[0].account_id)
    marked = tuple(dict.fromkeys((*ledgers, ledgers[0].whole)))
    states = await stores.accounts.states(marked, trips_since=trips_since or at, max_trips=max_trips)
    return await mark_states(
        stores, account, states, marks, at=at, marked_at=marked_at, decision_id=decision_id
    )


async def mark_states(
    stores: Stores,
    account: Account,
    states: Sequence[LedgerState],
    marks: Mapping[str, Decimal],
    *,
    at: datetime,
    marked_at: Mapping[str, datetime] | None = None,
    decision_id: str | None = None,
) -> Mapping[SubLedger, Marked]:
    """Value what was read under the lock of an account, and append it; see `mark`."""
    taken = {}
    times = {**dict.fromkeys(marks, at), **(marked_at or {})}
    for state in (_moved(state, marks, times) for state in states):
        now = equity_of(state, quote=account.currency, rates=marks, at=at)
        taken[state.ledger] = Marked(state, replace(now, decision_id=decision_id))
    await stores.accounts.move_marks(states[0].ledger, marks, times)
    await stores.accounts.add_marks([(ledger, one.mark) for ledger, one in taken.items()])
    return taken


def _moved(state: LedgerState, marks: Mapping[str, Decimal], times: Mapping[str, datetime]) -> LedgerState:
    """Set the last known prices of what is held, as `AccountStore.move_marks` does in the record."""
    positions = tuple(
        replace(one, position=marked_later(one.position, marks[one.target], times[one.target]))
        if one.target in marks
        else one
        for one in state.positions
    )
    return replace(state, positions=positions)


def equity_of(state: LedgerState, *, quote: str, rates: Mapping[str, Decimal], at: datetime) -> EquityMark:
    """Tell what a sub-ledger is worth at the marks of its positions.

    Before the first mark it was worth what had been paid in: peak and day begin there. `rates` price currencies other
    than `quote`, that of the account. Raises `DataQualityError` where something that is held has no price.
    """
    worth = value(
        tuple((one.target, one.position) for one in state.positions),
        {name: amount for name, amount in state.cash.items() if amount or state.flows.get(name)},
        quote=quote,
        rates=rates,
    )
    last = state.last or Equity(at - _SHORTEST, ZERO, ZERO, ZERO)
    flow = sum((amount * worth.rates[name] for name, amount in state.flows.items() if amount), ZERO)
    return EquityMark(
        equity=next_equity(last, worth.equity_quote, max(at, last.at + _SHORTEST), flow_quote=flow),
        cash_quote=worth.cash_quote,
        gross_quote=worth.gross_quote,
        ledger_id=state.newest_entry,
        marks={**rates, **worth.marks},
    )
