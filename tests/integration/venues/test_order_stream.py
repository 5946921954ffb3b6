"""A live order is looked at when its venue tells of it, and the account after every reconnect (ADR 0231).

The sleep of the executor never ends here: what moves an order on is the stream alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import SecretStr

from live_venues import bitget, bitget_exchange, coinbase, coinbase_exchange, eventually, market
from marketsentry.adapters.venues.order_feed import CcxtOrderFeed
from marketsentry.bootstrap import System, open_system
from marketsentry.core.orders.order import OrderStatus, Side, TimeInForce
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.order_feed import FeedBegun, FeedBroken, OrderNews
from marketsentry.ports.orders import StoredOrder
from marketsentry.ports.risk import ChangedBy, EventFilter
from marketsentry.services.execution import EnteredOrder, EnterRequest, enter_orders
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.executor import RECONCILE_EVERY_S, Executor
from marketsentry.services.ledger import pay
from marketsentry.services.order_stream import OrderWatch
from marketsentry.settings import Settings
from marketsentry.simexchange.exchange import SimExchange, VenueKind
from marketsentry.simexchange.faults import STREAM_FAULTS, VenueFault
from marketsentry.simexchange.signatures import make_key_pair
from recorded_prices import add_prices

BY = ChangedBy("test")
PRODUCT = {VenueKind.COINBASE: "BTC-USD", VenueKind.BITGET: "BTC-USDT"}


async def _never(seconds: float) -> None:
    await asyncio.Event().wait()


class Desk:
    """A record, a venue on loopback, and an executor that hears of orders by the stream."""

    def __init__(self, system: System, exchange: SimExchange, sleep: object) -> None:
        self.system, self.exchange = system, exchange
        self.venue = exchange.kind.value
        self.adapter = f"{self.venue}_live"
        drive = DriveParts(system.transactions, system.venues, system.clock, sleep=sleep)  # type: ignore[arg-type]
        self.executor = Executor(drive)

    async def resting(self, side: Side = Side.BUY) -> StoredOrder:
        """Hand in a limit order that the market does not reach, and let it rest."""
        price = Decimal(59_000)
        entered = EnterRequest(
            (EnteredOrder("BTC", side, Decimal("0.1"), est_price=price),),
            adapter=self.adapter,
            venue=self.venue,
            time_in_force=TimeInForce.GTC,
            max_slippage_bps=Decimal(0),
        )
        decision_id = (await enter_orders(entered, self.system.execution)).decision_id
        request = RunRequest(
            decision_id,
            adapter=self.adapter,
            venue=self.venue,
            time_in_force=TimeInForce.GTC,
            limit_timeout_s=Decimal(30),
            max_slippage_bps=Decimal(0),
            max_retries=0,
        )
        ours = replace(self.system.execution.admit, holder=self.executor.holder)
        (order,) = await admit(request, ours, by=BY)
        self.executor.start([order.id])
        await eventually(lambda: any(one["status"] == "open" for one in self.exchange.truth()["orders"]))
        return order

    async def stored(self, order_id: int) -> StoredOrder:
        async with self.system.transactions() as stores:
            return await stores.orders.get(order_id)

    async def over(self, order_id: int, within_s: float = 20.0) -> StoredOrder:
        async with asyncio.timeout(within_s):
            while not (found := await self.stored(order_id)).status.is_final:
                await asyncio.sleep(0.05)
        return found

    def reaches(self, price: float) -> None:
        self.exchange.move_price(PRODUCT[self.exchange.kind], price)


@asynccontextmanager
async def desk(settings: Settings, kind: VenueKind, sleep: object = _never) -> AsyncIterator[Desk]:
    exchange = coinbase_exchange() if kind is VenueKind.COINBASE else bitget_exchange()
    async with exchange:
        keys = {
            f"{kind.value}_api_key": SecretStr(exchange.key.key),
            f"{kind.value}_api_secret": SecretStr(exchange.key.secret),
        }
        address = "coinbase_advanced_trade_api" if kind is VenueKind.COINBASE else "bitget_api"
        changes = {
            **keys,
            "live_trading_enabled": True,
            "live_venues": (kind.value,),
            address: exchange.url,
            "bitget_api_passphrase": SecretStr(exchange.key.passphrase or "none"),
            "liquid_symbols": ("BTC",),
            "risk_max_abs_return": 0.0,
        }
        async with open_system(settings.model_copy(update=changes)) as system:
            await add_prices(system.database, "BTC", 60_000.0, until=datetime.now(UTC))
            opened = Desk(system, exchange, sleep)
            currency = "USD" if kind is VenueKind.COINBASE else "USDT"
            async with system.transactions() as stores:
                account = await stores.accounts.open(
                    adapter=opened.adapter, venue=opened.venue, name="main", currency=currency
                )
                ledger = SubLedger(account.id, "default-liquid-v1", "liquid")
                await pay(stores, ledger, Decimal(100_000), reference="test", at=datetime.now(UTC))
            stop = asyncio.Event()
            watching = asyncio.create_task(OrderWatch(system.order_feeds(), opened.executor).run(stop))
            try:
                yield opened
            finally:
                stop.set()
                await watching
                await opened.executor.close()


@pytest.mark.parametrize("kind", list(VenueKind))
async def test_a_fill_is_booked_when_the_venue_tells_of_it(settings: Settings, kind: VenueKind) -> None:
    async with desk(settings, kind) as at:
        await eventually(lambda: at.exchange.n_streams > 0 and bool(at.exchange.subscriptions))
        order = await at.resting()
        at.reaches(58_000.0)
        found = await at.over(order.id)
        assert (found.status, found.filled_qty) == (OrderStatus.FILLED, Decimal("0.01"))
        (row,) = at.exchange.truth()["orders"]
        assert Decimal(row["filled"]) == found.filled_qty


@pytest.mark.parametrize("fault", STREAM_FAULTS)
async def test_no_fault_of_the_stream_loses_or_doubles_a_fill(settings: Settings, fault: VenueFault) -> None:
    async with desk(settings, VenueKind.COINBASE, asyncio.sleep) as at:
        at.exchange.inject(fault, "ws *", rate=1.0 if fault is VenueFault.STREAM_DROP else 0.5)
        order = await at.resting()
        at.exchange.disconnect_all()
        at.reaches(58_000.0)
        found = await at.over(order.id)
        async with at.system.transactions() as stores:
            fills = await stores.orders.fills(order_id=order.id)
        truth = at.exchange.truth()["fills"]
        assert sum(one.qty for one in fills) == found.filled_qty == Decimal("0.01")
        assert sum(Decimal(one["quantity"]) for one in truth) == found.filled_qty
        assert len(fills) == len({one.venue_trade_id for one in fills}) == len(truth)


async def test_a_reconnect_makes_up_for_what_was_missed(settings: Settings) -> None:
    """The order fills while nobody listens; the next subscription is what tells."""
    async with desk(settings, VenueKind.COINBASE) as at:
        await eventually(lambda: "user *" in at.exchange.subscriptions)
        order = await at.resting()
        at.exchange.inject(VenueFault.STREAM_DROP, "ws user")
        at.reaches(58_000.0)
        at.exchange.faults.clear()
        assert not (await at.stored(order.id)).status.is_final
        at.exchange.disconnect_all()
        assert (await at.over(order.id)).status is OrderStatus.FILLED


@pytest.mark.parametrize("kind", list(VenueKind))
async def test_a_key_that_is_refused_is_told_and_tried_again(kind: VenueKind) -> None:
    told: list[OrderNews] = []
    wrong = {"api_secret": make_key_pair(99).pem} if kind is VenueKind.COINBASE else {"passphrase": "wrong"}
    async with coinbase_exchange() if kind is VenueKind.COINBASE else bitget_exchange() as exchange:
        make = coinbase if kind is VenueKind.COINBASE else bitget
        async with make(exchange, timeout_s=5.0, **wrong) as venue:
            listening = asyncio.create_task(CcxtOrderFeed(venue).run(told.append))
            await eventually(lambda: sum(isinstance(one, FeedBroken) for one in told) >= 2)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    assert not any(isinstance(one, FeedBegun) for one in told)


async def test_a_reconnect_starts_a_reconcile_before_its_timer(settings: Settings) -> None:
    async with desk(settings, VenueKind.COINBASE, asyncio.sleep) as at, coinbase(at.exchange) as other:
        stop = asyncio.Event()
        await eventually(lambda: "user *" in at.exchange.subscriptions)
        await other.submit(market(qty="0.1", client_order_id="theirs-1"))
        running = asyncio.create_task(at.executor.run(stop))
        await _told(at, 1)
        at.exchange.inject(VenueFault.STREAM_DROP, "ws user")
        await other.submit(market(qty="0.1", client_order_id="theirs-2"))
        at.exchange.faults.clear()
        at.exchange.disconnect_all()
        await _told(at, 2)
        stop.set()
        await running


async def _told(at: Desk, n_trades: int) -> None:
    """So many trades of somebody else are in the record as critical events, long before the timer."""
    async with asyncio.timeout(RECONCILE_EVERY_S / 2):
        while True:
            async with at.system.transactions() as stores:
                events = await stores.risk.page_events(EventFilter(), before_id=None, limit=99)
            if sum(one.code.startswith("unbooked_venue_fill:coinbase:") for one in events) >= n_trades:
                return
            await asyncio.sleep(0.1)
