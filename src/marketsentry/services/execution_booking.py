"""Write what happened to an order: events, fills, ledger and result in one transaction."""

from collections.abc import Sequence
from decimal import Decimal

from marketsentry.core.market.symbols import base_of
from marketsentry.core.orders.change import Change
from marketsentry.core.orders.events import Event
from marketsentry.core.orders.lifecycle import execution_document
from marketsentry.core.orders.order import Fill, Order
from marketsentry.exceptions import ConflictError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Account, Booking, SubLedger
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.together import together
from marketsentry.services.ledger import book_fills

KnownAccounts = dict[int, Account]
"""Accounts by id, as they were read once: nothing of what an account is called ever changes."""


def result_of(stored: StoredOrder, order: Order, log: Sequence[Event]) -> dict[str, object]:
    """Tell the execution result of an order from its whole log."""
    timeout_s = None if stored.plan is None else float(stored.plan["limit_timeout_s"])
    return execution_document(order, log, base=base_of(stored.target), limit_timeout_s=timeout_s)


async def write_change(
    stores: Stores,
    stored: StoredOrder,
    change: Change,
    log: Sequence[Event],
    *,
    owner: str,
    accounts: KnownAccounts,
) -> None:
    """Append the events of a change and book its fills.

    Parameters
    ----------
    stores
        Of the transaction that all of it belongs to.
    stored
        Row of the order, for what never changes in it.
    change
        What happened.
    log
        All events before it.
    owner
        Who executes the order: nothing is written once the lease has passed on.
    accounts
        Those that were read before; what is read is added.

    Raises
    ------
    ConflictError
        If somebody else moved or holds the order, or a trade belongs to another order.
    """
    metadata: dict[str, object] = {}
    if change.after.status.is_final:
        metadata["execution"] = result_of(stored, change.after, (*log, *change.events))
    moved = stores.orders.move(change, owner=owner, metadata=metadata)
    # each sends all that it reads before it waits, the change first: what was not ours to move is told at the same time
    await together(moved, _book_all(stores, stored, change, accounts))


async def _book_all(stores: Stores, stored: StoredOrder, change: Change, accounts: KnownAccounts) -> None:
    fills: dict[str, list[Fill]] = {}
    for told in change.fills:
        fills.setdefault(told.client_order_id, []).append(told.fill)
    if not fills:
        return
    if stored.account_id is None:
        raise ConflictError(f"order {stored.id} has fills and no account")
    account = accounts.get(stored.account_id)
    if account is None:
        account = accounts[stored.account_id] = await stores.accounts.lock(stored.account_id)
    for client_order_id, of_leg in fills.items():
        await _book(stores, stored, account, client_order_id, tuple(of_leg))


async def _book(
    stores: Stores, stored: StoredOrder, account: Account, client_order_id: str, fills: tuple[Fill, ...]
) -> None:
    booking = Booking(
        ledger=SubLedger(account.id, stored.strategy_id, stored.track),
        target=stored.target,
        side=stored.side,
        order_id=stored.id,
        decision_id=stored.decision_id,
        client_order_id=client_order_id,
        fills=fills,
    )
    booked = await book_fills(stores, booking, account=account)
    if len(booked.new_fills) != len(fills):
        known = {fill.trade_id for fill in fills} - {fill.trade_id for fill in booked.new_fills}
        raise ConflictError(f"trades {sorted(known)} of order {stored.id} were booked before")


def executed_qty(asked: Decimal, stage_pct: int) -> Decimal:
    """Scale a quantity by the stage of a rollout, to 8 decimals and never up."""
    if stage_pct == 100:
        return asked
    return (asked * stage_pct / 100).quantize(Decimal("1e-8"), rounding="ROUND_DOWN")
