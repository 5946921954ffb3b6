"""A trading program and its PostgreSQL are killed, again and again, at moments that nobody chose."""

import asyncio
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from marketsentry.adapters.embedded import EmbeddedEngines
from marketsentry.adapters.postgres import migrate
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.orders.order import Fill
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.execution_request import ACCOUNT
from marketsentry.services.ledger import pay
from programs import eventually
from recorded_prices import add_prices
from simulation.driver import ADAPTER, TRACK, VENUE, open_parts, trade
from simulation.invariants import judge, read_record
from simulation.world import Blocked

N_KILLS = int(os.environ.get("KILLS", "6"))
DATABASE_EVERY = 3  # so often the database is killed, else the program
STRATEGY = "killed"
PATIENCE_S = 120.0
CLEARED_IN_S = (
    PATIENCE_S + 10.0 * N_KILLS
)  # each kill leaves orders open, and the venue takes 20 requests a second
TESTS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Booked:
    """An order of the venue."""

    fills: tuple[Fill, ...]

    @property
    def filled_qty(self) -> Decimal:
        """Sum of the fills."""
        return sum((one.qty for one in self.fills), Decimal(0))


@dataclass(frozen=True)
class Truth:
    """The venue as its back door tells it; balances less those of the start."""

    orders: Mapping[str, Booked]
    balances: Mapping[str, Decimal]
    handed_in: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What others than the record know."""

    exchange: Truth
    asked: Mapping[str, int]
    blocked: tuple[Blocked, ...] = ()
    surprises: list[str] = field(default_factory=list)


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[EmbeddedEngines]:
    """Engines that may be killed."""
    with EmbeddedEngines(tmp_path / "engines") as running:
        migrate.upgrade(running.urls.database_url)
        yield running


@pytest.fixture
def venue() -> Iterator[dict[str, Any]]:
    """Where a simulated Coinbase listens; its market moves by itself."""
    command = [sys.executable, "-m", "marketsentry.simexchange", "--seed", "7", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def _truth(told: Mapping[str, Any]) -> dict[str, Any]:
    with urllib.request.urlopen(told["admin_url"] + "truth", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _balances(told: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, Decimal]:
    held = truth["balances"][told["key"]["owner"]]
    return {coin: Decimal(one["available"]) + Decimal(one["held"]) for coin, one in held.items()}


def _books(told: Mapping[str, Any], before: Mapping[str, Decimal]) -> Truth:
    truth = _truth(told)
    names = {one["id"]: one["client_id"] for one in truth["orders"] if one["owner"] == told["key"]["owner"]}
    fills: dict[str, list[Fill]] = {name: [] for name in names.values()}
    for one in truth["fills"]:
        if one["order_id"] in names:
            at = datetime.fromtimestamp(one["at_s"], UTC)
            qty, price, fee = Decimal(one["quantity"]), Decimal(one["price"]), Decimal(one["fee"])
            fill = Fill(one["trade_id"], qty, price, fee, one["fee_coin"], at)
            fills[names[one["order_id"]]].append(fill)
    now = _balances(told, truth)
    return Truth(
        {name: Booked(tuple(of_order)) for name, of_order in fills.items()},
        {coin: now[coin] - (Decimal(0) if coin == "USD" else before.get(coin, Decimal(0))) for coin in now},
    )


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, Any]], BaseProcess]:
    """Starts a trading program: a fork of one that has read its modules, which takes seconds and proves nothing."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    programs = multiprocessing.get_context("forkserver")
    programs.set_forkserver_preload(["simulation.driver"])

    def started(given: Mapping[str, Any]) -> BaseProcess:
        process = programs.Process(target=trade, args=(given,), daemon=True)
        process.start()
        return process

    return started


async def _pay_in(url: str, amount: Decimal) -> None:
    now = datetime.now(UTC)
    async with Database(url) as database:
        await add_prices(database, "BTC", 60_000.0, until=now)
        async with database.transactions() as stores:
            account = await stores.accounts.open(adapter=ADAPTER, venue=VENUE, name=ACCOUNT, currency="USD")
            await pay(stores, SubLedger(account.id, STRATEGY, TRACK), amount, reference="first", at=now)


async def _finish(given: Mapping[str, Any]) -> None:
    """Start once more, as after any crash, and wait until nothing is open."""
    async with Database(given["database_url"]) as database, asyncio.timeout(CLEARED_IN_S):
        parts, venues = open_parts(given, database)
        stop = asyncio.Event()
        running = asyncio.create_task(parts.executor.run(stop))
        while True:
            async with database.transactions() as stores:
                if not await stores.orders.open():
                    break
            await asyncio.sleep(0.2)
        stop.set()
        await running
        await parts.executor.close()
        await venues.close()


def _progress(url: str) -> int:
    """How many events the record has."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM order_events").fetchone()
    return 0 if row is None else int(row[0])


def _until_it_trades(url: str, process: BaseProcess, *, more: int) -> None:
    """Wait until the record has so many events more."""
    wanted = _progress(url) + more

    def has_traded() -> bool:
        assert process.is_alive(), "the driver ended by itself"
        return _progress(url) >= wanted

    assert eventually(has_traded, PATIENCE_S), "the driver does not trade"


@pytest.mark.slow
def test_what_was_traded_survives_being_killed(
    engines: EmbeddedEngines, venue: dict[str, Any], start: Callable[[Mapping[str, Any]], BaseProcess]
) -> None:
    url, draw, kills = engines.urls.database_url, random.Random(7), Counter[str]()
    before = _balances(venue, _truth(venue))
    asyncio.run(_pay_in(url, before["USD"]))
    given = {
        "database_url": url,
        "venue_url": venue["url"],
        "key": venue["key"]["key"],
        "secret": venue["key"]["secret"],
        "strategy": STRATEGY,
    }
    driver = start({**given, "seed": 0})
    try:
        for n in range(1, N_KILLS + 1):
            _until_it_trades(url, driver, more=draw.randrange(1, 20))
            if n % DATABASE_EVERY == 0:
                os.kill(engines.pids["postgres"] or 0, signal.SIGKILL)
                kills["postgres"] += 1
                _revive(engines)
            else:
                driver.kill()
                driver.join()
                kills["program"] += 1
                driver = start({**given, "seed": n})
        _until_it_trades(url, driver, more=1)
    finally:
        driver.kill()
        driver.join()
    asyncio.run(_finish(given))
    found, books = asyncio.run(_read(url)), _books(venue, before)
    asked = dict.fromkeys(found.entered, 1)
    n_orders, n_there, n_fills = len(found.rows), len(books.orders), len(found.fills)
    figures = f"{dict(kills)} killed, {n_orders} orders, {n_there} at the venue, {n_fills} fills"
    broken = judge(Told(books, asked), found)
    assert not broken, f"{figures}\n{json.dumps(broken, indent=2)}"
    assert found.fills, figures
    sys.stdout.write(f"\n{figures}\n")


async def _read(url: str) -> Any:
    async with Database(url) as database:
        with psycopg.connect(url) as monitor:
            return await read_record(database.transactions, monitor)


def _revive(engines: EmbeddedEngines) -> None:
    """Start PostgreSQL again once its main process is gone."""
    assert eventually(lambda: bool(engines.revive()), PATIENCE_S), "PostgreSQL does not start again"
