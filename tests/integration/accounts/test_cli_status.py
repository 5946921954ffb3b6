"""`ms status` shows accounts, and adds them up again when it is asked."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from account_fills import MakeBooking, a_fill
from marketsentry.adapters.postgres.database import Database
from marketsentry.cli import account, status
from marketsentry.exceptions import InputError
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.ledger import book_fills
from marketsentry.settings import Settings


@pytest.fixture
async def account_url(database: Database, database_url: str, ledger: SubLedger, booking: MakeBooking) -> str:
    bought = await booking(ledger, a_fill("1", "2", "100", fee="1"))
    async with database.transactions() as stores:
        await book_fills(stores, bought)
    return database_url


@pytest.fixture
def ms(
    database_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Awaitable[tuple[int, Any]]]:
    """Runs a verb on this test's database; its exit code and what it printed as JSON."""
    monkeypatch.setenv("MS_HOME", str(settings.home))
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert settings.redis_url is not None
    monkeypatch.setenv("REDIS_URL", settings.redis_url.get_secret_value())

    async def run(app: typer.Typer, *words: str) -> tuple[int, Any]:
        end = words.index("--") if "--" in words else len(words)
        given = [*words[:end], "--json", *words[end:]]
        result = await asyncio.to_thread(CliRunner().invoke, app, given)
        return result.exit_code, json.loads(result.stdout) if result.stdout else result.exception

    return run


async def test_payments_are_booked_once_and_refused_when_they_are_none(
    ms: Callable[..., Awaitable[tuple[int, Any]]],
) -> None:
    for is_new in (True, False):
        code, paid = await ms(account.app, "deposit", "2500.50", "--reference", "wire 1")
        assert (code, paid["is_new"], paid["cash"]) == (0, is_new, "2500.50")
    _, paid = await ms(account.app, "withdraw", "100", "--reference", "wire 2")
    assert paid["cash"] == "2400.50"
    _, paid = await ms(account.app, "adjust", "--reason", "the venue's dust", "--", "-0.50")
    assert paid["cash"] == "2400.00"
    _, (told,) = await ms(account.app, "list")
    assert (told["equity"], told["day_pnl"], told["strategy_id"]) == (2400.0, -0.5, "default-liquid-v1")
    for words in (
        ("deposit", "-5", "--reference", "x"),
        ("deposit", "five", "--reference", "x"),
        ("deposit", "NaN", "--reference", "x"),
        ("deposit", "5", "--reference", " "),
        ("deposit", "5", "--reference", "x", "--strategy", "global"),
        ("deposit", "5", "--reference", "x", "--track", "stocks"),
        ("deposit", "5", "--reference", "x", "--currency", "EUR"),
        ("adjust", "5", "--reason", " "),
    ):
        code, error = await ms(account.app, *words)
        assert code != 0, words
    assert isinstance(error, InputError)


async def test_status_shows_accounts_and_a_rebuild_finds_a_changed_row(
    account_url: str, ms: Callable[..., Awaitable[tuple[int, Any]]]
) -> None:
    code, told = await ms(status.app)
    assert code == 0
    (held,) = told["accounts"]
    assert (held["equity"], held["day_pnl"], held["n_positions"]) == (99_999.0, -1.0, 1)
    assert (await ms(status.app, "--rebuild"))[0] == 0
    with psycopg.connect(account_url, autocommit=True) as connection:
        connection.execute("UPDATE positions SET qty = 3")
    code, told = await ms(status.app, "--rebuild")
    assert code == 2
    assert told["accounts"][0]["differences"] == [
        {"what": "position", "name": "trend BTC-USD", "field": "qty", "stored": "3", "rebuilt": "2"}
    ]
    assert (await ms(status.app, "--rebuild", "--fix"))[0] == 2
    assert (await ms(status.app, "--rebuild"))[0] == 0
