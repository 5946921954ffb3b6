"""Where orders are kept: the row that says how things stand, the events that made it so, and the fills."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from marketsentry.core.orders.apply import apply_all
from marketsentry.core.orders.change import Change
from marketsentry.core.orders.events import Event
from marketsentry.core.orders.order import ZERO, Order, OrderStatus, Side, TimeInForce
from marketsentry.core.risk.losses import OrderOutcomes
from marketsentry.exceptions import DataQualityError


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to store.

    `quantity` is the number that the client gave or reads, in the unit of the endpoint; `base_quantity` is what is to
    be executed in base units and `notional` the same in quote currency, None where there was no price. `status` is
    `simulated`, `submitted` or `blocked`. With `has_signal` its signal is the newest of its decision and target, stored
    before it. Account and plan are there when it is admitted as it is stored.
    """

    decision_id: str
    target: str
    track: str
    side: Side
    quantity: Decimal
    base_quantity: Decimal | None
    notional: Decimal | None
    est_price: Decimal | None
    price_ts: datetime | None = None
    est_cost_bps: Decimal = Decimal(0)
    is_reduce_only: bool = False
    status: OrderStatus = OrderStatus.SIMULATED
    adapter: str = "paper"
    venue: str = "coinbase"
    time_in_force: TimeInForce = TimeInForce.IOC
    max_slippage_bps: Decimal = Decimal(20)
    strategy_id: str = "default-liquid-v1"
    signal_id: int | None = None
    reject_reason: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    has_signal: bool = False
    account_id: int | None = None
    plan: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order read back. `base_quantity` and `notional` have been scaled once the order is admitted.

    `plan` is the document of `core.orders.plan.Plan`; `version` counts the events.
    """

    id: int
    decision_id: str
    signal_id: int | None
    target: str
    track: str
    side: Side
    quantity: Decimal
    base_quantity: Decimal | None
    notional: Decimal | None
    est_price: Decimal | None
    price_ts: datetime | None
    est_cost_bps: Decimal
    is_reduce_only: bool
    status: OrderStatus
    adapter: str
    venue: str
    time_in_force: TimeInForce
    max_slippage_bps: Decimal
    strategy_id: str
    account_id: int | None
    plan: Mapping[str, Any] | None
    filled_qty: Decimal
    reject_reason: str | None
    metadata: Mapping[str, Any]
    version: int
    lease_owner: str | None
    lease_until: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the log of its order."""

    order_id: int
    version: int
    event: Event


@dataclass(frozen=True, slots=True)
class BookedFill:
    """A fill as it was booked; `fee_quote` is the fee in the currency of the account."""

    id: int
    order_id: int
    account_id: int
    decision_id: str
    strategy_id: str
    track: str
    target: str
    side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    fee_quote: Decimal
    reference_price: Decimal | None
    liquidity: str
    client_order_id: str
    venue_trade_id: str
    filled_at: datetime


@dataclass(frozen=True, slots=True)
class OrderPatch:
    """Columns that a change sets beside the log; None keeps what is there, `metadata` is merged."""

    account_id: int | None = None
    plan: Mapping[str, Any] | None = None
    adapter: str | None = None
    venue: str | None = None
    time_in_force: TimeInForce | None = None
    max_slippage_bps: Decimal | None = None
    base_quantity: Decimal | None = None
    notional: Decimal | None = None
    is_reduce_only: bool | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders; None means any. `statuses` empty means any."""

    statuses: tuple[OrderStatus, ...] = ()
    track: str | None = None
    target: str | None = None
    strategy_id: str | None = None
    decision_id: str | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """What a decision rests on, as rows: its signals, their predictions, their features and their models."""

    signals: Sequence[Mapping[str, Any]]
    predictions: Sequence[Mapping[str, Any]]
    feature_snapshots: Sequence[Mapping[str, Any]]
    models: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who executes what is admitted, and for how long it is his by the clock of the database."""

    owner: str
    lease_s: float


_GIVEN = tuple(one.name for one in fields(NewOrder) if one.name != "has_signal")


def drafted(order: NewOrder, place: int, *, at: datetime) -> StoredOrder:
    """Tell the row of an order before it is stored, numbered by its place among those that are added with it."""
    return StoredOrder(
        id=place,
        **{name: getattr(order, name) for name in _GIVEN},
        filled_qty=ZERO,
        version=0,
        lease_owner=None,
        lease_until=None,
        created_at=at,
        updated_at=at,
    )


def patched(order: NewOrder, patch: OrderPatch) -> NewOrder:
    """Set the columns of a patch before the order is stored, as `OrderStore.append` does afterwards."""
    told = {
        one.name: value
        for one in fields(patch)
        if one.name != "metadata" and (value := getattr(patch, one.name)) is not None
    }
    return replace(order, **told, metadata={**order.metadata, **patch.metadata})


def order_of(stored: StoredOrder, events: Iterable[Event]) -> Order:
    """Rebuild an order from its row and its whole log.

    Parameters
    ----------
    stored
        The row.
    events
        Its log, oldest first.

    Returns
    -------
    Order

    Raises
    ------
    DataQualityError
        If the log does not add up to the version and the status of the row.
    """
    status = stored.status if stored.version == 0 else OrderStatus.SUBMITTED
    first = Order(
        id=stored.id,
        side=stored.side,
        qty=stored.quantity if stored.base_quantity is None else stored.base_quantity,
        price=stored.est_price,
        status=status,
        reject_reason=stored.reject_reason if stored.version == 0 else None,
        is_reduce_only=stored.is_reduce_only,
    )
    order = apply_all(first, events)
    if (order.version, order.status) != (stored.version, stored.status):
        raise DataQualityError(
            f"the log of order {stored.id} must lead to version {stored.version} {stored.status}, "
            f"led to {order.version} {order.status}"
        )
    return order


def log_of(stored: StoredOrder, events: Iterable[StoredEvent]) -> Sequence[Event]:
    """Take of a log what led to a row: one that was read without its lock may have gone on since."""
    return [one.event for one in events if one.version <= stored.version]


class OrderStore(Protocol):
    """Orders with their logs and fills. A write publishes the order in the outbox of the same transaction."""

    async def add(
        self, orders: Sequence[NewOrder], changes: Sequence[Change] = (), *, holder: Holder | None = None
    ) -> Sequence[StoredOrder]:
        """Insert orders, in the order given.

        Parameters
        ----------
        orders
            To store.
        changes
            What they have been through already, each from an order that is numbered by its place in `orders`; its
            patch is in the order (`patched`). Their events are written with the rows that they lead to.
        holder
            Holds those that are open then.

        Returns
        -------
        sequence of StoredOrder
            The rows, oldest first.
        """
        ...

    async def get(self, order_id: int) -> StoredOrder:
        """Read an order; raises `NotFoundError`."""
        ...

    async def of_decision(self, decision_id: str, *, limit: int | None = None) -> Sequence[StoredOrder]:
        """List the orders of a decision, oldest first."""
        ...

    async def page(self, wanted: OrderFilter, *, before_id: int | None, limit: int) -> Sequence[StoredOrder]:
        """List orders with an id below `before_id`, newest first."""
        ...

    async def open(self, *, account_id: int | None = None, track: str | None = None) -> Sequence[StoredOrder]:
        """List the orders that a venue may hold a leg of, oldest first."""
        ...

    async def events(self, order_ids: Sequence[int]) -> Mapping[int, Sequence[StoredEvent]]:
        """Read the logs of orders, oldest first; every id is there, with an empty log where nothing happened."""
        ...

    async def orders(self, stored: Sequence[StoredOrder]) -> Mapping[int, Order]:
        """Rebuild orders from their logs, as they were when their rows were read."""
        ...

    async def fills(
        self, *, decision_id: str | None = None, order_id: int | None = None
    ) -> Sequence[BookedFill]:
        """Read the fills of a decision or of an order, in the order in which they were booked."""
        ...

    async def outcomes(self, track: str, *, since: datetime, limit: int) -> OrderOutcomes:
        """Add up how the newest executed orders of a track fared, at most `limit`."""
        ...

    async def known_legs(self, client_order_ids: Sequence[str]) -> Mapping[str, int]:
        """Tell which of these were sent as legs, and by which orders."""
        ...

    async def known_trades(self, account_id: int, trade_ids: Sequence[str]) -> frozenset[str]:
        """Tell which of these trades of an account are booked."""
        ...

    async def chain(self, decision_id: str) -> Chain:
        """Read what the signals of a decision and of its orders rest on, oldest first."""
        ...

    async def append(
        self,
        changes: Sequence[Change],
        *,
        owner: str | None = None,
        patches: Mapping[int, OrderPatch] | None = None,
        holder: Holder | None = None,
    ) -> Sequence[StoredOrder]:
        """Write the events of changes and the rows that they lead to, or nothing at all.

        The fills among them are booked by `services.ledger` in the same transaction.

        Parameters
        ----------
        changes
            At most one of each order.
        owner
            Only while this owner holds the lease of every one of them.
        patches
            Columns to set beside, by order id.
        holder
            Holds those that are open then.

        Returns
        -------
        sequence of StoredOrder
            The rows afterwards, oldest first.

        Raises
        ------
        ConflictError
            If an order is not at the version that a change begins with, or a lease has passed on.
        """
        ...

    async def move(self, change: Change, *, owner: str, metadata: Mapping[str, object] | None = None) -> None:
        """Write what came of an order that `owner` drives: its events and its row, with `metadata` beside.

        As `append`; a `ConflictError` says that the order has moved on, or the lease has.
        """
        ...

    async def lock(self, decision_id: str, *, limit: int) -> Sequence[StoredOrder]:
        """Read the orders of a decision and hold their rows until the transaction ends, oldest first."""
        ...

    async def claim(
        self, owner: str, *, lease_s: float, limit: int, order_ids: Sequence[int] | None = None
    ) -> Sequence[StoredOrder]:
        """Take open orders that nobody else holds, oldest first, for `lease_s` by the clock of the database.

        The commit does not wait for the disk: a lease that is lost is one that somebody else may take.
        """
        ...

    async def renew(self, owner: str, order_ids: Sequence[int], *, lease_s: float) -> Sequence[int]:
        """Hold orders longer; returns the ids that this owner holds, or held and nobody has taken since.

        Its commit is that of `claim`.
        """
        ...

    async def release(self, owner: str, order_ids: Sequence[int]) -> None:
        """Let go of orders that this owner holds."""
        ...
