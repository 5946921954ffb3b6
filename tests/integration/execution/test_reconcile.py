"""What a venue has and the record has not is told once, and never corrected in silence."""

from dataclasses import replace
from decimal import Decimal

from execution_world import BY, World
from faulty_venue import Faults, FaultyVenues
from marketsentry.core.orders.order import LegKind, LegState, Side, TimeInForce
from marketsentry.ports.risk import EventFilter
from marketsentry.ports.venue import LegRef, LegRequest, OutcomeUnknownError
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_reconcile import ReconcileParts, reconcile_all
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.executor import Executor


def _parts(world: World) -> ReconcileParts:
    return ReconcileParts(world.database.transactions, world.registry, world.clock)


async def _executed(world: World) -> None:
    decision_id = await world.entered("10")
    admitted = await admit(RunRequest(decision_id), world.admit, by=BY)
    await Executor(world.drive_parts()).settle([one.id for one in admitted], within_s=30)


async def test_an_account_that_we_alone_trade_has_no_differences(world: World) -> None:
    await _executed(world)
    assert await reconcile_all(_parts(world)) == []


async def test_orders_and_trades_of_others_are_told_once(world: World) -> None:
    await _executed(world)
    venue = await world.registry.open("paper", "coinbase", fee_bps=Decimal(0))
    resting = LegRequest("ms-1-l", "BTC", Side.BUY, LegKind.LIMIT, Decimal(1), Decimal(90), TimeInForce.GTC)
    await venue.submit(resting)
    taking = replace(resting, client_order_id="theirs", limit_price=Decimal(101))
    await venue.submit(taking)
    for _ in range(2):
        found = await reconcile_all(_parts(world))
        assert [(one.code, one.client_order_id, one.qty) for one in found] == [
            ("unknown_venue_order", "ms-1-l", Decimal(1)),
            ("unbooked_venue_fill", "theirs", Decimal(1)),
        ]
    async with world.database.transactions() as stores:
        events = await stores.risk.page_events(EventFilter(), before_id=None, limit=9)
    assert sorted(one.code for one in events) == [
        "unbooked_venue_fill:coinbase:theirs-1",
        "unknown_venue_order:coinbase:paper-ms-1-l",
    ]


async def test_an_order_of_ours_that_works_where_the_record_has_it_as_over_is_told(world: World) -> None:
    """One that was taken for absent came late: nobody drives it, and it may fill at any time."""
    (order,) = await world.admitted("10")
    venue = await world.registry.open("paper", "coinbase", fee_bps=Decimal(0))
    lost = Faults(1, error=lambda: OutcomeUnknownError("no answer"))
    parts = replace(world.drive_parts(), venues=FaultyVenues(world.registry, lost))
    await Executor(parts).settle([order.id], within_s=30)
    name = f"ms-{order.id}-l"
    async with world.database.transactions() as stores:
        stored = await stores.orders.get(order.id)
        ended = (await stores.orders.orders([stored]))[order.id]
    assert ended.status.is_final
    leg = ended.leg(name)
    assert leg is not None
    assert leg.state is LegState.ABSENT
    assert await reconcile_all(_parts(world)) == []
    late = LegRequest(name, "BTC", Side.BUY, LegKind.LIMIT, Decimal(10), Decimal(90), TimeInForce.GTC)
    view = await venue.submit(late)
    (found,) = await reconcile_all(_parts(world))
    assert (found.code, found.client_order_id) == ("unknown_venue_order", name)
    await venue.cancel(LegRef("BTC", name, view.venue_order_id, world.clock.now()))
    assert await reconcile_all(_parts(world)) == []
