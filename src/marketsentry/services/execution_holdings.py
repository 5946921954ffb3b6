"""Which orders only reduce what their strategy holds: those are never held back, nor made smaller (D9, K-27)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketsentry.core.orders.order import ZERO, Side
from marketsentry.core.risk.codes import GLOBAL
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Account, HeldPosition, LedgerState, SubLedger
from marketsentry.ports.orders import NewOrder, StoredOrder


@dataclass(frozen=True, slots=True)
class Intent:
    """What an order would trade; `qty` in base units > 0."""

    track: str
    strategy_id: str
    target: str
    side: Side
    qty: Decimal

    @property
    def key(self) -> tuple[str, str, str]:
        """Names the position that it moves."""
        return self.track, self.strategy_id, self.target


def intent_of(order: StoredOrder | NewOrder) -> Intent:
    """Read off an order what it would trade."""
    qty = order.quantity if order.base_quantity is None else order.base_quantity
    return Intent(order.track, order.strategy_id, order.target, order.side, qty)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an account holds, and what its open orders may still trade: the states of whole tracks."""

    states: Sequence[LedgerState] = ()

    @property
    def targets(self) -> Sequence[str]:
        """What is held by anybody, in order."""
        return tuple(dict.fromkeys(one.target for state in self.states for one in state.positions))

    @property
    def on_their_way(self) -> Sequence[str]:
        """What open orders may still trade, in order."""
        return tuple(dict.fromkeys(one.target for state in self.states for one in state.open_orders))

    def closable(self) -> dict[tuple[str, str, str], Decimal]:
        """Tell what can be closed, by track, strategy and target; signed base units.

        An exit on its way is spent, an entry on its way is not there yet.
        """
        left = {
            (one.ledger.track, one.ledger.strategy_id, one.target): one.position.qty
            for state in self.states
            for one in state.positions
        }
        for state in self.states:
            for order in state.open_orders:
                key = (state.ledger.track, order.strategy_id, order.target)
                before = left.get(key, ZERO)
                if before * order.qty < 0:
                    after = before + order.qty
                    left[key] = after if after * before > 0 else ZERO
        return left

    def is_netted(self, one: Intent) -> bool:
        """Tell whether other ledgers hold on the side of an order what its own would close with it."""
        return any(
            held.target == one.target
            and held.position.qty * one.side.sign > 0
            and (held.ledger.track, held.ledger.strategy_id) != (one.track, one.strategy_id)
            for state in self.states
            for held in state.positions
        )


async def read_account_holdings(
    stores: Stores, account: Account | None, tracks: Iterable[str], *, at: datetime
) -> Holdings:
    """Read what an account holds in tracks, under its lock: nothing is booked meanwhile. None holds nothing."""
    if account is None:
        return Holdings()
    await stores.accounts.hold(account)
    wholes = [SubLedger(account.id, GLOBAL, one) for one in sorted(set(tracks))]
    return Holdings(await stores.accounts.states(wholes, trips_since=at, max_trips=0))


def which_open(holdings: Holdings, intents: Sequence[Intent]) -> Sequence[bool]:
    """Tell of each intent whether it opens or enlarges a position.

    Parameters
    ----------
    holdings
        Of the account where they would trade.
    intents
        In the order in which they would: each counts on those before it.

    Returns
    -------
    sequence of bool
        False only where no more is closed than is held, less what other orders are closing already.
    """
    held = holdings.closable()
    opening = []
    for one in intents:
        before = held.get(one.key, ZERO)
        closes = before * one.side.sign < 0 and one.qty <= abs(before)
        if closes:
            held[one.key] = before + one.side.sign * one.qty
        opening.append(not closes)
    return opening


async def held_positions(stores: Stores, account_id: int, tracks: Iterable[str]) -> Sequence[HeldPosition]:
    """Read the positions of all strategies of some tracks."""
    found: list[HeldPosition] = []
    for track in tracks:
        found += await stores.accounts.positions(SubLedger(account_id, GLOBAL, track))
    return found
