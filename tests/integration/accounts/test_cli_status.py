"""`ms status` shows accounts, and adds them up again when it is asked."""

import asyncio
import json

import psycopg
import pytest
from typer.testing import CliRunner

from account_fills import MakeBooking, a_fill
from marketsentry.adapters.postgres.database import Database
from marketsentry.cli.status import app
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.ledger import book_fills
from marketsentry.settings import Settings


@pytest.fixture
async def account_url(database: Database, database_url: str, ledger: SubLedger, booking: MakeBooking) -> str:
    bought = await booking(ledger, a_fill("1", "2", "100", fee="1"))
    async with database.transactions() as stores:
        await book_fills(stores, bought)
    return database_url


async def test_status_shows_accounts_and_a_rebuild_finds_a_changed_row(
    account_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MS_HOME", str(settings.home))
    monkeypatch.setenv("DATABASE_URL", account_url)
    assert settings.redis_url is not None
    monkeypatch.setenv("REDIS_URL", settings.redis_url.get_secret_value())

    async def ms(*words: str) -> tuple[int, dict[str, object]]:
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"])
        return result.exit_code, json.loads(result.stdout)

    code, told = await ms()
    assert code == 0
    (account,) = told["accounts"]
    assert (account["equity"], account["day_pnl"], account["n_positions"]) == (99_999.0, -1.0, 1)
    assert (await ms("--rebuild"))[0] == 0
    with psycopg.connect(account_url, autocommit=True) as connection:
        connection.execute("UPDATE positions SET qty = 3")
    code, told = await ms("--rebuild")
    assert code == 2
    assert told["accounts"][0]["differences"] == [
        {"what": "position", "name": "trend BTC-USD", "field": "qty", "stored": "3", "rebuilt": "2"}
    ]
    assert (await ms("--rebuild", "--fix"))[0] == 2
    assert (await ms("--rebuild"))[0] == 0
