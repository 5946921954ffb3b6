"""Evidence of orders comes soon after it happened, each fill once, whatever befalls the stream."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from live_venues import (
    access_to,
    bitget,
    bitget_exchange,
    coinbase,
    coinbase_exchange,
    eventually,
    limit,
    market,
)
from marketsentry.adapters.venues.bitget_live import Contracts
from marketsentry.adapters.venues.ccxt_stream import OrderStream, StreamPace
from marketsentry.core.market.symbols import Market
from marketsentry.ports.venue import LegStatus, LegView, VenueFill
from marketsentry.simexchange.faults import STREAM_FAULTS, VenueFault

WITHIN_S = 60.0  # a busy machine imports slowly


class Heard:
    """What a stream has told so far."""

    def __init__(self):
        self.views, self.fills = [], []
        self._changed = asyncio.Condition()

    async def listen(self, stream):
        async for one in stream:
            (self.views if isinstance(one, LegView) else self.fills).append(one)
            assert isinstance(one, LegView | VenueFill)
            async with self._changed:
                self._changed.notify_all()

    async def until(self, condition):
        async with asyncio.timeout(WITHIN_S), self._changed:
            await self._changed.wait_for(condition)

    def is_at(self, client_order_id, status):
        return any((one.client_order_id, one.status) == (client_order_id, status) for one in self.views)


async def heard_of(group, stream):
    heard = Heard()
    return heard, group.create_task(heard.listen(stream))


@pytest.mark.parametrize("silent_s", [30.0])
async def test_orders_and_fills_of_coinbase_are_told(silent_s):
    async with coinbase_exchange() as exchange, coinbase(exchange) as venue, asyncio.TaskGroup() as group:
        access = access_to(exchange, timeout_s=5.0)
        stream = OrderStream(venue, access, pace=StreamPace(silent_s=silent_s), since=datetime.now(UTC))
        async with stream:
            heard, task = await heard_of(group, stream)
            await eventually(lambda: "user *" in exchange.subscriptions)
            await venue.submit(limit(client_order_id="ms-1-l"))
            await heard.until(lambda: heard.is_at("ms-1-l", LegStatus.OPEN))
            done = await venue.submit(market(qty="0.2", client_order_id="ms-2-m1"))
            await heard.until(lambda: heard.is_at("ms-2-m1", LegStatus.FILLED) and heard.fills)
            (fill,) = heard.fills
            assert (fill.client_order_id, fill.fill.qty) == ("ms-2-m1", done.filled_qty)
            assert isinstance(fill.fill.price, Decimal)
            task.cancel()


@pytest.mark.parametrize("fault", STREAM_FAULTS)
async def test_no_fault_of_the_stream_loses_or_doubles_a_fill(fault):
    async with coinbase_exchange() as exchange, coinbase(exchange) as venue, asyncio.TaskGroup() as group:
        exchange.inject(fault, "ws *", rate=1.0 if fault is VenueFault.STREAM_DROP else 0.5)
        stream = OrderStream(venue, access_to(exchange, timeout_s=5.0), pace=StreamPace(silent_s=0.5))
        async with stream:
            heard, task = await heard_of(group, stream)
            for n in range(4):
                await venue.submit(market(qty="0.1", client_order_id=f"ms-{n}-m1"))
            await heard.until(lambda: len(heard.fills) >= 4)
            exchange.disconnect_all()
            await venue.submit(market(qty="0.1", client_order_id="ms-5-m1"))
            await heard.until(lambda: len(heard.fills) >= 5)
            task.cancel()
        assert len(heard.fills) == len({one.fill.trade_id for one in heard.fills}) == 5
        assert sum(one.fill.qty for one in heard.fills) == Decimal("0.5")


@pytest.mark.parametrize("kind", list(Market))
async def test_orders_of_bitget_are_told(kind):
    contracts = Contracts(leverage=Decimal(20))
    symbol = {Market.SPOT: "BTC", Market.PERP: "BTC-PERP"}[kind]
    watch = {Market.SPOT: {"type": "spot"}, Market.PERP: {"type": "swap", "productType": "USDT-FUTURES"}}[
        kind
    ]
    async with bitget_exchange() as exchange, bitget(exchange, kind, contracts=contracts) as venue:
        access = access_to(exchange, timeout_s=5.0)
        async with asyncio.TaskGroup() as group, OrderStream(venue, access, watch=watch) as stream:
            heard, task = await heard_of(group, stream)
            await eventually(lambda: any(one.startswith("orders") for one in exchange.subscriptions))
            await venue.submit(limit(symbol=symbol))
            await heard.until(lambda: heard.is_at("ms-1-l", LegStatus.OPEN))
            exchange.move_price("BTC-USDT" if kind is Market.SPOT else "BTC-USDT:USDT", 58_000.0)
            await heard.until(lambda: heard.is_at("ms-1-l", LegStatus.FILLED) and heard.fills)
            assert sum(one.fill.qty for one in heard.fills) == Decimal("0.5")
            task.cancel()
