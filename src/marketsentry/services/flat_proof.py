"""Ask the venues whether a scope is flat: only what they say ends a flatten (ADR 0215).

A scope is flat when its ledgers hold nothing that can be traded, no order of it may still fill, and the venue holds of
everything that it ever traded what all ledgers of the account hold together.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from marketsentry.core.account.netting import expected_holdings, held_as, mismatches
from marketsentry.core.market.symbols import Market, market_of_symbol
from marketsentry.core.orders.order import ZERO
from marketsentry.core.orders.product import Product
from marketsentry.core.risk.codes import GLOBAL
from marketsentry.exceptions import DependencyError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Account, HeldPosition
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.venue import LegView, Venue
from marketsentry.services.execution_holdings import held_positions
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.ledger import PAPER
from marketsentry.services.netting import cash_of, dust_of

T = TypeVar("T")
CALL_S = 10.0
LEG_PREFIX = "ms-"
Place = tuple[int, str, str]
"""Account, strategy and target."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A strategy of a track, or all of the track."""

    track: str
    strategy_id: str = GLOBAL

    def covers(self, track: str, strategy_id: str) -> bool:
        """Tell whether a ledger or an order belongs to it."""
        return track == self.track and self.strategy_id in (GLOBAL, strategy_id)


class What(StrEnum):
    """Why a scope is not flat."""

    POSITION = "position"
    ORDER = "order"
    VENUE_ORDER = "venue_order"  # the venue shows an order that the record has not as open
    DIFFERENCE = "difference"  # the venue holds another quantity than the ledgers
    UNREACHED = "unreached"  # the venue did not answer


@dataclass(frozen=True, slots=True)
class Remaining:
    """One thing that keeps a scope from being flat; `qty` is signed base units."""

    what: What
    adapter: str
    venue: str
    name: str
    qty: Decimal
    reason: str
    strategy_id: str | None = None


@dataclass(frozen=True, slots=True)
class FlatProof:
    """What the venues said. `dust` is held and too small to be traded; it does not count."""

    is_flat: bool
    remaining: tuple[Remaining, ...]
    dust: tuple[Remaining, ...]
    asked_at: datetime

    @property
    def may_settle(self) -> bool:
        """Whether something is on its way: an order, or a venue that shows less than it did."""
        return any(one.what in (What.ORDER, What.DIFFERENCE, What.VENUE_ORDER) for one in self.remaining)


@dataclass(frozen=True, slots=True)
class VenueFacts:
    """What a venue showed of an account; `holdings` by asset, and by symbol for perpetuals."""

    open_orders: Sequence[LegView]
    holdings: Mapping[str, Decimal]
    products: Sequence[Product]


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Positions and cash of all ledgers of an account, and its orders that may still fill."""

    held: Sequence[HeldPosition]
    cash: Mapping[str, Decimal]
    open_orders: Sequence[StoredOrder]


@dataclass(slots=True)
class _Found:
    remaining: list[Remaining] = field(default_factory=list)
    dust: list[Remaining] = field(default_factory=list)


async def accounts_in(stores: Stores, scope: Scope) -> list[Account]:
    """Name the accounts in which a scope has a ledger or an order on its way; replays of backtests are none."""
    ledgers = await stores.accounts.sub_ledgers(track=scope.track)
    ids = [one.account_id for one in ledgers if scope.covers(one.track, one.strategy_id)]
    ids += [
        order.account_id
        for order in await stores.orders.open(track=scope.track)
        if order.account_id is not None and scope.covers(order.track, order.strategy_id)
    ]
    found = [await stores.accounts.get(one) for one in dict.fromkeys(ids)]
    return [one for one in found if not one.is_apart]


async def read_account(stores: Stores, account: Account) -> AccountFacts:
    """Read what the record knows of a whole account, booked to the end: under its lock."""
    await stores.accounts.lock(account.id)
    tracks = {one.track for one in await stores.accounts.sub_ledgers(account_id=account.id)}
    return AccountFacts(
        await held_positions(stores, account.id, sorted(tracks)),
        await cash_of(stores, account.id),
        await stores.orders.open(account_id=account.id),
    )


async def ask_venue(venue: Venue) -> VenueFacts:
    """Ask for everything that is compared; raises `DependencyError` when one answer is missing."""
    products = await _answer(venue, venue.products())
    orders = await _answer(venue, venue.open_orders())
    balances = await _answer(venue, venue.balances())
    positions = await _answer(venue, venue.positions())
    holdings = {one.asset: one.total for one in balances}
    for one in positions:
        holdings[one.symbol] = holdings.get(one.symbol, ZERO) + one.qty
    return VenueFacts(orders, holdings, products)


async def _answer(venue: Venue, asked: Awaitable[T]) -> T:
    """Wait for one answer: a venue may take its time for each, as it may for an order."""
    try:
        async with asyncio.timeout(CALL_S):
            return await asked
    except TimeoutError as error:
        raise DependencyError(f"{venue.name} did not answer within {CALL_S:g} s") from error


async def prove_flat(scope: Scope, parts: AdmitParts, *, why: Mapping[Place, str]) -> FlatProof:
    """Ask every venue of a scope whether it is flat.

    Parameters
    ----------
    scope
        What is to be flat.
    parts
        The record and the venues.
    why
        Why a position could not be closed, where that is known.

    Returns
    -------
    FlatProof
        A venue that does not answer proves nothing.
    """
    async with parts.transactions() as stores:
        accounts = await accounts_in(stores, scope)
    found = _Found()
    for account in accounts:
        await _look(account, scope, parts, why, found)
    return FlatProof(not found.remaining, tuple(found.remaining), tuple(found.dust), parts.clock.now())


async def _look(
    account: Account, scope: Scope, parts: AdmitParts, why: Mapping[Place, str], found: _Found
) -> None:
    shown: VenueFacts | None = None
    try:
        venue = await parts.venues.open(account.adapter, account.venue, fee_bps=ZERO)
        shown = await ask_venue(venue)
    except DependencyError as error:
        found.remaining.append(_remaining(What.UNREACHED, account, account.venue, ZERO, str(error)))
    async with parts.transactions() as stores:
        facts = await read_account(stores, account)
        strays = [] if shown is None else await _strays(stores, shown.open_orders, facts, scope)
    for order in facts.open_orders:
        if scope.covers(order.track, order.strategy_id):
            reason = f"order {order.id} is {order.status}"
            found.remaining.append(
                _remaining(What.ORDER, account, order.target, ZERO, reason, order.strategy_id)
            )
    _add_positions(account, scope, facts, None if shown is None else shown.products, why, found)
    if shown is None:
        return
    for leg in strays:
        reason = f"{leg.client_order_id} is {leg.venue_status} at the venue"
        left = leg.side.sign * (leg.qty - leg.filled_qty)
        found.remaining.append(_remaining(What.VENUE_ORDER, account, leg.symbol, left, reason))
    _add_differences(account, scope, facts, shown, found)


def _add_positions(
    account: Account,
    scope: Scope,
    facts: AccountFacts,
    products: Sequence[Product] | None,
    why: Mapping[Place, str],
    found: _Found,
) -> None:
    by_symbol = {one.symbol: one for one in products or ()}
    for one in facts.held:
        if not one.position.qty or not scope.covers(one.ledger.track, one.ledger.strategy_id):
            continue
        place = (account.id, one.ledger.strategy_id, one.target)
        told = _remaining(
            What.POSITION,
            account,
            one.target,
            one.position.qty,
            why.get(place, "held"),
            one.ledger.strategy_id,
        )
        (found.dust if is_dust(one, by_symbol.get(one.target)) else found.remaining).append(told)


def _add_differences(
    account: Account, scope: Scope, facts: AccountFacts, shown: VenueFacts, found: _Found
) -> None:
    has_contracts = account.adapter != PAPER
    ours = {
        held_as(one.target, has_contracts=has_contracts)
        for one in facts.held
        if scope.covers(one.ledger.track, one.ledger.strategy_id)
    }
    if scope.strategy_id == GLOBAL:
        ours |= {name for name in shown.holdings if market_of_symbol(name) is Market.PERP}
    held = ((one.target, one.position) for one in facts.held)
    expected = expected_holdings(held, facts.cash, quote=account.currency, has_contracts=has_contracts)
    for off in mismatches(expected, shown.holdings, dust_of(shown.products, has_contracts=has_contracts)):
        if off.name in ours:
            reason = f"the venue holds {off.venue_qty}, the ledgers {off.ledger_qty}"
            found.remaining.append(_remaining(What.DIFFERENCE, account, off.name, off.missing_qty, reason))


def is_dust(held: HeldPosition, product: Product | None) -> bool:
    """Tell whether a position is too small for the venue to trade; without its product it never is."""
    position = held.position
    price = position.mark_price or position.average_price
    if product is None or not price > 0:
        return False
    return product.is_too_small(product.round_qty(abs(position.qty)), price)


async def _strays(
    stores: Stores, shown: Sequence[LegView], facts: AccountFacts, scope: Scope
) -> list[LegView]:
    """Find orders of ours at the venue that are in scope and that the record has not as open."""
    working = {one.id for one in facts.open_orders}
    order_of = await stores.orders.known_legs([one.client_order_id for one in shown])
    found = []
    for leg in shown:
        order_id = order_of.get(leg.client_order_id)
        if order_id is None:
            is_in_scope = leg.client_order_id.startswith(LEG_PREFIX) and scope.strategy_id == GLOBAL
        else:
            order = await stores.orders.get(order_id)
            is_in_scope = order_id not in working and scope.covers(order.track, order.strategy_id)
        if is_in_scope:
            found.append(leg)
    return found


def _remaining(
    what: What, account: Account, name: str, qty: Decimal, reason: str, strategy_id: str | None = None
) -> Remaining:
    return Remaining(what, account.adapter, account.venue, name, qty, reason, strategy_id)
