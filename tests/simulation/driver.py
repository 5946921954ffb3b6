"""A small trading program that is made to be killed: it enters and runs decisions at a venue until it is ended."""

import asyncio
import os
import random
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from marketsentry.adapters.clock import SystemClock
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.live import LiveSettings, open_live
from marketsentry.adapters.venues.paper import PaperParts
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.core.orders.order import Side, TimeInForce
from marketsentry.exceptions import MarketSentryError
from marketsentry.ports import Stores
from marketsentry.ports.decisions import Idempotency
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution import (
    EnteredOrder,
    EnterRequest,
    ExecutionParts,
    enter_orders,
    run_decision,
)
from marketsentry.services.execution_claim import DriveParts, DriveRules
from marketsentry.services.execution_request import AdmitParts, RunRequest
from marketsentry.services.executor import Executor
from marketsentry.services.risk import RiskParts
from simulation.world import LIMITS

ADAPTER, VENUE, TRACK = "coinbase_live", "coinbase", "liquid"
RULES = DriveRules(lease_s=4.0, call_s=3.0, grace_s=8.0)  # a crash is over soon
N_CLIENTS = 3
MID = Decimal(60_000)


def trade(told: Mapping[str, Any]) -> None:
    """Trade until killed, in a process of its own.

    Parameters
    ----------
    told
        `database_url`, `venue_url`, `key`, `secret`, `strategy`, `seed`.
    """
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    asyncio.run(_trade(told))


def open_parts(told: Mapping[str, Any], database: Database) -> tuple[ExecutionParts, VenueRegistry]:
    """Make the services on a record and a venue."""
    clock = SystemClock()
    market = RecordedMarket(database.transactions, max_age=timedelta(hours=2))
    settings = LiveSettings(
        venue=VENUE,
        base_url=told["venue_url"],
        timeout_s=2.0,
        is_unlocked=True,
        api_key=told["key"],
        api_secret=told["secret"],
        symbols=("BTC",),
        max_skew_s=60.0,
    )
    venues = VenueRegistry(
        PaperParts(database.transactions, market, clock), open_live=lambda name: open_live(settings)
    )
    risk = RiskParts(database.transactions, LIMITS, clock)
    executor = Executor(DriveParts(database.transactions, venues, clock, rules=RULES))
    admit = AdmitParts(database.transactions, clock, risk, venues, Decimal(0), _all_of_it, executor.holder)
    return ExecutionParts(admit, executor, random.randbytes), venues


async def _all_of_it(stores: Stores, *, track: str, is_live: bool) -> int:
    return 100


async def _trade(told: Mapping[str, Any]) -> None:
    async with Database(told["database_url"]) as database:
        parts, venues = open_parts(told, database)
        async with asyncio.TaskGroup() as group:
            group.create_task(parts.executor.run(asyncio.Event()))
            for number in range(N_CLIENTS):
                group.create_task(_client(f"{told['seed']}-{number}", told["strategy"], parts))
        await venues.close()


async def _client(name: str, strategy: str, parts: ExecutionParts) -> None:
    draw = random.Random(name)
    n = 0
    while True:
        n += 1
        request = EnterRequest(
            (
                EnteredOrder(
                    "BTC",
                    draw.choice((Side.BUY, Side.BUY, Side.SELL)),
                    Decimal(draw.randrange(1, 50)) / 10_000,
                    track=TRACK,
                    est_price=MID,
                    strategy_id=strategy,
                ),
            ),
            adapter=ADAPTER,
            venue=VENUE,
            idempotency=Idempotency(f"{name}-{n}", f"hash-{name}-{n}"),
        )
        for _ in range(5):
            with suppress(MarketSentryError):
                decision = await enter_orders(request, parts)
                run = RunRequest(
                    decision.decision_id,
                    adapter=ADAPTER,
                    venue=VENUE,
                    max_slippage_bps=Decimal(200),
                    time_in_force=draw.choice((TimeInForce.GTC, TimeInForce.IOC)),
                    limit_timeout_s=Decimal("0.5"),
                )
                await run_decision(run, parts, by=ChangedBy("driver"), wait_s=5.0)
                break
            await asyncio.sleep(0.2)
