"""Decisions that can be executed, on a market that the record knows."""

import pytest

from execution_world import World, open_world
from marketsentry.adapters.postgres.database import Database


@pytest.fixture
async def world(database: Database) -> World:
    """A market of BTC at 100: ten thousand in a bar, 10 bps up and down."""
    return await open_world(database)
