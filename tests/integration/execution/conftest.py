"""Decisions that can be executed, on a market that the record knows."""

from datetime import timedelta
from decimal import Decimal

import pytest

from execution_world import World
from faulty_venue import MovedClock
from marketsentry.adapters.postgres.database import Database
from marketsentry.adapters.venues.paper import PaperParts, PaperRules
from marketsentry.adapters.venues.paper_market import RecordedMarket
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.risk import RiskParts
from recorded_prices import add_bars, add_prices


@pytest.fixture
async def world(database: Database) -> World:
    """A market of BTC at 100: ten thousand in a bar, 10 bps up and down."""
    clock = MovedClock()
    await add_prices(database, "BTC", 100.0, until=clock.at - timedelta(seconds=1))
    await add_bars(database, "BTC", price=100.0, volume=10_000.0, until=clock.at - timedelta(hours=1))
    market = RecordedMarket(database.transactions, max_age=timedelta(hours=2))
    registry = VenueRegistry(
        PaperParts(database.transactions, market, clock, PaperRules(latency_s=0.01), clock.sleep)
    )
    limits = RiskLimits(
        max_single_weight=10.0,
        max_gross_exposure=10.0,
        max_turnover=10.0,
        max_sector_exposure=10.0,
        max_style_exposure=10.0,
    )
    risk = RiskParts(database.transactions, limits, clock)
    return World(
        database,
        clock,
        registry,
        AdmitParts(database.transactions, clock, risk, registry, Decimal(1_000_000)),
    )
