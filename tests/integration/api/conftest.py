"""A client of the whole application on a database of its own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from marketsentry.api.app import create_app
from marketsentry.bootstrap import System

BASE = "http://127.0.0.1:8000"


@pytest.fixture
async def api(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(system)), base_url=BASE) as opened:
        yield opened
