"""The order store: one log per order, guarded by version and lease (K-18, K-31)."""

from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from marketsentry.adapters.postgres.database import Database
from marketsentry.core.orders.change import Change, take
from marketsentry.core.orders.events import (
    Admitted,
    Event,
    Finished,
    LegClosed,
    LegFilled,
    LegRefused,
    LegSending,
    LegUnseen,
    LegWorking,
)
from marketsentry.core.orders.order import Fill, LegKind, OrderStatus, Side, TimeInForce
from marketsentry.exceptions import ConflictError, NotFoundError
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.decisions import Decision, DecisionSource
from marketsentry.ports.orders import (
    Holder,
    NewOrder,
    OrderFilter,
    OrderPatch,
    StoredOrder,
    drafted,
    log_of,
    order_of,
    patched,
)
from marketsentry.ports.with_commit import ending_with

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = {"style": "market"}


def _order(target: str = "BTC", qty: str = "2", **changes: object) -> NewOrder:
    order = NewOrder(
        decision_id="d1",
        target=target,
        track="liquid",
        side=Side.BUY,
        quantity=Decimal(qty),
        base_quantity=Decimal(qty),
        notional=Decimal(qty) * 100,
        est_price=Decimal(100),
        metadata={"note": "x"},
    )
    return replace(order, **changes)  # type: ignore[arg-type]  # fields by name


async def _add(stores: Stores, *orders: NewOrder) -> Sequence[StoredOrder]:
    await stores.decisions.add(Decision("d1", "liquid", "s1", DecisionSource.ORDERS, AT, is_approved=True))
    return await stores.orders.add(orders)


async def _account(database: Database) -> int:
    async with database.connection() as connection:
        cursor = await connection.execute(
            "INSERT INTO accounts (adapter, venue, currency) VALUES ('paper', 'coinbase', 'USD') RETURNING id"
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


async def _admitted(database: Database, *orders: NewOrder) -> Sequence[StoredOrder]:
    """Orders that an executor may claim."""
    account = await _account(database)
    async with database.transactions() as stores:
        added = await _add(stores, *orders)
        logs = await stores.orders.orders(added)
        changes = [take(logs[one.id], [Admitted(AT, one.quantity)]) for one in added]
        patch = OrderPatch(account_id=account, plan=PLAN, metadata={"rollout_stage_pct": 100})
        await stores.orders.append(changes, patches={one.id: patch for one in added})
        return await stores.orders.of_decision("d1")


def _leg(order_id: int, qty: str = "2") -> LegSending:
    return LegSending(AT, f"ms-{order_id}-m1", LegKind.MARKET, Decimal(qty), Decimal(101), TimeInForce.IOC)


def _fill(order_id: int, trade_id: str, qty: str) -> LegFilled:
    fill = Fill(trade_id, Decimal(qty), Decimal("100.1"), Decimal("0.05"), "USD", AT, "taker", Decimal(100))
    return LegFilled(AT, f"ms-{order_id}-m1", fill)


async def test_orders_come_back_as_they_were_given(transactions: Transactions) -> None:
    async with transactions() as stores:
        first, second = await _add(
            stores, _order("BTC", "0.123456789012345678"), _order("ETH", base_quantity=None, est_price=None)
        )
        assert await stores.orders.get(first.id) == first
        assert first.base_quantity == Decimal("0.123456789012345678")
        assert (first.status, first.version, first.metadata) == (OrderStatus.SIMULATED, 0, {"note": "x"})
        assert second.base_quantity is None
        assert second.id > first.id
        assert await stores.orders.of_decision("d1") == [first, second]
        with pytest.raises(NotFoundError, match="order not found"):
            await stores.orders.get(1)


async def test_pages_go_on_where_they_ended(transactions: Transactions) -> None:
    async with transactions() as stores:
        added = await _add(stores, *[_order("BTC" if n % 2 else "ETH") for n in range(5)])
        newest = [one.id for one in reversed(added)]
        page = await stores.orders.page(OrderFilter(), before_id=None, limit=2)
        assert [one.id for one in page] == newest[:2]
        page = await stores.orders.page(OrderFilter(), before_id=newest[1], limit=9)
        assert [one.id for one in page] == newest[2:]
        wanted = OrderFilter(
            statuses=(OrderStatus.SIMULATED,), track="liquid", target="BTC", strategy_id="default-liquid-v1"
        )
        assert len(await stores.orders.page(wanted, before_id=None, limit=9)) == 2
        none = OrderFilter(statuses=(OrderStatus.FILLED,))
        assert await stores.orders.page(none, before_id=None, limit=9) == []


async def test_a_log_leads_to_its_row(database: Database) -> None:
    (stored,) = await _admitted(database, _order())
    events: list[Event] = [
        _leg(stored.id),
        LegWorking(AT, f"ms-{stored.id}-m1", "v1"),
        _fill(stored.id, "t1", "0.5"),
        _fill(stored.id, "t2", "1"),
        LegClosed(AT, f"ms-{stored.id}-m1", Decimal("1.5"), "CANCELLED"),
        Finished(AT, OrderStatus.CANCELED, "residual_unfilled"),
    ]
    async with database.transactions() as stores:
        order = (await stores.orders.orders([stored]))[stored.id]
        change = take(order, events)
        await stores.orders.append([change])
    async with database.transactions() as stores:
        row = await stores.orders.get(stored.id)
        assert (row.status, row.filled_qty, row.version) == (OrderStatus.PARTIALLY_FILLED, Decimal("1.5"), 7)
        assert row.reject_reason == "residual_unfilled"
        assert row.metadata == {"note": "x", "rollout_stage_pct": 100}
        assert (await stores.orders.orders([row]))[row.id] == change.after
        log = (await stores.orders.events([row.id]))[row.id]
        assert [one.version for one in log] == [1, 2, 3, 4, 5, 6, 7]
        assert [one.event for one in log[1:]] == events


async def test_orders_that_are_stored_as_admitted_are_as_if_admitted_afterwards(database: Database) -> None:
    new = [_order("BTC", "2"), _order("ETH", "3"), _order("SOL", "4", status=OrderStatus.BLOCKED)]
    last = await _admitted(database, *new[:2])
    patch = OrderPatch(account_id=last[0].account_id, plan=PLAN, metadata={"rollout_stage_pct": 100})
    drafts = [drafted(one, place, at=AT) for place, one in enumerate(new[:2])]
    changes = [take(order_of(one, ()), [Admitted(AT, one.quantity)]) for one in drafts]
    changes[1] = take(changes[1].before, [*changes[1].events, Finished(AT, OrderStatus.REJECTED, "x")])
    async with database.transactions() as stores:
        told = [patched(one, patch) for one in new[:2]] + new[2:]
        added = await stores.orders.add(told, changes)
        logs = await stores.orders.events([one.id for one in (*last, *added)])
        assert await stores.orders.of_decision("d1") == [*last, *added]
    assert [one.id for one in added] == sorted(one.id for one in added)
    # the first was admitted by both ways, and differs in nothing but its name and its times
    named = {"id": 0, "created_at": AT, "updated_at": AT}
    assert replace(added[0], **named) == replace(last[0], **named)
    assert [one.event for one in logs[added[0].id]] == [one.event for one in logs[last[0].id]]
    assert (added[1].status, added[1].version, added[1].reject_reason) == (OrderStatus.REJECTED, 2, "x")
    assert [one.event for one in logs[added[1].id]] == list(changes[1].events)
    assert (added[2].status, added[2].version, logs[added[2].id]) == (OrderStatus.BLOCKED, 0, [])
    for one in added:
        order_of(one, [event.event for event in logs[one.id]])  # the log leads to the row


async def test_a_row_that_was_read_before_its_log_went_on_is_told_as_it_was(database: Database) -> None:
    (stored,) = await _admitted(database, _order())
    async with database.transactions() as stores:
        order = (await stores.orders.orders([stored]))[stored.id]
        await stores.orders.append([take(order, [_leg(stored.id)])])
        again = (await stores.orders.orders([stored]))[stored.id]
        assert again == order
        log = (await stores.orders.events([stored.id]))[stored.id]
    assert (len(log), len(log_of(stored, log))) == (2, 1)


async def test_a_second_writer_of_the_same_version_is_refused(database: Database) -> None:
    (stored,) = await _admitted(database, _order())
    async with database.transactions() as stores:
        order = (await stores.orders.orders([stored]))[stored.id]
        await stores.orders.append([take(order, [_leg(stored.id)])])
    with pytest.raises(ConflictError, match="not at version 1 any more"):
        async with database.transactions() as stores:
            await stores.orders.append([take(order, [Finished(AT, OrderStatus.CANCELED)])])
    async with database.transactions() as stores:
        assert len((await stores.orders.events([stored.id]))[stored.id]) == 2


async def test_a_lease_has_one_owner_until_it_ends(database: Database) -> None:
    first, second = await _admitted(database, _order(), _order())
    async with database.transactions() as stores:
        (mine,) = await stores.orders.claim("a", lease_s=60, limit=1)
        assert mine.id == first.id
    async with database.transactions() as stores:
        (theirs,) = await stores.orders.claim("b", lease_s=60, limit=9)
        assert theirs.id == second.id
        assert await stores.orders.renew("a", [first.id, second.id], lease_s=60) == [first.id]
    async with database.transactions() as stores:
        order = (await stores.orders.orders([first]))[first.id]
        with pytest.raises(ConflictError, match="another executor holds it"):
            await stores.orders.append([take(order, [_leg(first.id)])], owner="b")
        await stores.orders.append([take(order, [_leg(first.id)])], owner="a")
        await stores.orders.release("a", [first.id])
    async with database.transactions() as stores:
        (again,) = await stores.orders.claim("b", lease_s=0, limit=9, order_ids=[first.id])
        assert (again.id, again.version) == (first.id, 2)
    async with database.transactions() as stores:
        (taken,) = await stores.orders.claim("c", lease_s=60, limit=9)
        assert taken.id == first.id


async def test_a_lease_of_a_clock_that_was_set_back_is_none(database: Database) -> None:
    (stored,) = await _admitted(database, _order())
    async with database.transactions() as stores:
        assert await stores.orders.claim("a", lease_s=3600, limit=1)  # by a clock that was an hour ahead
    async with database.transactions() as stores:
        (taken,) = await stores.orders.claim("b", lease_s=60, limit=1)
        assert taken.id == stored.id
    async with database.transactions() as stores:
        assert await stores.orders.claim("a", lease_s=60, limit=1) == []


async def _held(change: Change, stores: Stores) -> Coroutine[Any, Any, Sequence[StoredOrder]]:
    return stores.orders.append([change], holder=Holder("b", 60))


async def test_a_change_may_give_an_order_to_its_executor(database: Database) -> None:
    (stored,) = await _admitted(database, _order())
    async with database.transactions() as stores:
        order = (await stores.orders.orders([stored]))[stored.id]
    leg = _leg(stored.id)
    sent = take(order, [leg])
    unseen = take(sent.after, [LegUnseen(AT, leg.client_order_id, "timeout")])
    (row,) = await ending_with(database.transactions(), partial(_held, sent))
    assert (row.version, row.lease_owner) == (2, "b")
    async with database.transactions() as stores:
        assert await stores.orders.claim("a", lease_s=60, limit=1) == []
        assert [one.id for one in await stores.orders.claim("b", lease_s=60, limit=1)] == [stored.id]
        with pytest.raises(ConflictError, match="another executor holds it"):
            await stores.orders.move(unseen, owner="a")
        await stores.orders.move(unseen, owner="b", metadata={"seen": "no"})
        row = await stores.orders.get(stored.id)
        assert (row.version, row.status, row.lease_owner) == (3, OrderStatus.UNKNOWN, "b")
        assert row.metadata == {**stored.metadata, "seen": "no"}
        ended = Finished(AT + timedelta(seconds=2), OrderStatus.CANCELED, "tired")
        over = take(unseen.after, [LegRefused(AT, leg.client_order_id, "no"), ended])
        await stores.orders.append([over], holder=Holder("b", 60))  # nobody holds what is over
        row = await stores.orders.get(stored.id)
        assert (row.status, row.reject_reason) == (OrderStatus.CANCELED, "tired")
        assert (row.lease_owner, row.lease_until) == (None, None)
        assert len((await stores.orders.events([stored.id]))[stored.id]) == row.version


async def test_what_is_open_when_it_is_stored_may_be_held(database: Database) -> None:
    account = await _account(database)
    new = [_order(account_id=account, plan=PLAN, status=OrderStatus.SUBMITTED), _order()]
    async with database.transactions() as stores:
        draft = order_of(drafted(new[0], 0, at=AT), ())
        await stores.decisions.add(
            Decision("d1", "liquid", "s1", DecisionSource.ORDERS, AT, is_approved=True)
        )
        rows = await stores.orders.add(new, [take(draft, [Admitted(AT, Decimal(2))])], holder=Holder("b", 60))
    assert [(one.status, one.lease_owner) for one in rows] == [
        (OrderStatus.EXECUTING, "b"),
        (OrderStatus.SIMULATED, None),
    ]


async def test_a_transaction_that_ends_with_a_statement_is_committed_or_has_left_nothing(
    database: Database,
) -> None:
    first, second = await _admitted(database, _order(), _order())
    async with database.transactions() as stores:
        orders = await stores.orders.orders([first, second])
    leg = _leg(first.id)
    await ending_with(database.transactions(), partial(_held, take(orders[first.id], [leg])))
    with pytest.raises(ConflictError, match="the record forbids it"):  # a name is given once
        await ending_with(database.transactions(), partial(_held, take(orders[second.id], [leg])))

    @asynccontextmanager
    async def broken() -> AsyncIterator[Stores]:
        async with database.transactions() as stores:
            yield stores
            raise RuntimeError("before the commit")

    with pytest.raises(RuntimeError, match="before the commit"):
        await ending_with(broken(), partial(_held, take(orders[second.id], [_leg(second.id)])))
    async with database.transactions() as stores:
        found = [await stores.orders.get(one.id) for one in (first, second)]
    assert [(one.version, one.lease_owner) for one in found] == [(2, "b"), (1, None)]


async def test_a_final_order_is_neither_open_nor_held(database: Database) -> None:
    (stored,) = await _admitted(database, _order())
    async with database.transactions() as stores:
        assert [one.id for one in await stores.orders.open(track="liquid")] == [stored.id]
        await stores.orders.claim("a", lease_s=60, limit=1)
        order = (await stores.orders.orders([stored]))[stored.id]
        finished = take(order, [Finished(AT + timedelta(seconds=1), OrderStatus.CANCELED)])
        await stores.orders.append([finished], owner="a")
        row = await stores.orders.get(stored.id)
        assert (row.lease_owner, row.lease_until) == (None, None)
        assert await stores.orders.open() == []


async def test_every_write_is_published_with_it(database: Database) -> None:
    (stored,) = await _admitted(database, _order())
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT topic, key, payload FROM outbox ORDER BY id")
        told = await cursor.fetchall()
    assert [(topic, key, payload["status"]) for topic, key, payload in told] == [
        ("orders", str(stored.id), "simulated"),
        ("orders", str(stored.id), "executing"),
    ]
