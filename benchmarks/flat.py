"""Flatten: from the call to the venue's proof that nothing is held, at a simulated exchange in a process of its own."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from benchmarks.desk import LIMITS
from benchmarks.machine import load_now
from benchmarks.rows import Row, median, spread
from benchmarks.trading import BY, with_system
from marketsentry.adapters.clock import SystemClock
from marketsentry.adapters.postgres.pipelined import sent_statements
from marketsentry.adapters.simulated_exchange import running_exchange
from marketsentry.adapters.venues.one_venue import OneVenue
from marketsentry.adapters.venues.rate_budget import RateBudget
from marketsentry.bootstrap import System, live_venue
from marketsentry.core.orders.order import Side
from marketsentry.core.risk.kill_switch import Mode
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.urgency import Urgency
from marketsentry.ports.venue import Venue
from marketsentry.services.execution import EnteredOrder, EnterRequest, ExecutionParts, enter_orders
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_request import AdmitParts, RunRequest, stage_without_rollout
from marketsentry.services.executor import Executor
from marketsentry.services.flat_proof import Scope
from marketsentry.services.flatten import FlattenParts, flatten
from marketsentry.services.ledger import pay
from marketsentry.services.risk import RiskParts
from marketsentry.services.risk_switch import ManualTrigger, reset_switch, trigger_switch

N_RUNS, N_POSITIONS = 5, 10
BUDGET_S, CALLS_PER_S = 1.0, 20
COINS, CASH = ("BTC", "ETH"), Decimal(10_000_000)
ADAPTER, VENUE = "coinbase_live", "coinbase"
TRACK, SCOPE = "liquid", Scope("liquid")
SLIPPAGE_BPS = Decimal(500)


def bench_flat() -> list[dict[str, Any]]:
    """Ten positions at an exchange that speaks Coinbase's protocol; flatten is called -> the venue says flat."""
    return with_system(_flat)


async def _flat(system: System) -> list[dict[str, Any]]:
    async with running_exchange("coinbase", seed=7) as exchange:
        keys = {
            "coinbase_api_key": SecretStr(exchange.api_key),
            "coinbase_api_secret": SecretStr(exchange.api_secret),
            "coinbase_quote_currency": "USD",
        }
        venue = live_venue(system.settings.model_copy(update=keys), "coinbase", base_url=exchange.url)
        venues = OneVenue(venue, name="coinbase", currency="USD")
        clock = SystemClock()
        risk = RiskParts(system.transactions, LIMITS, clock)
        parts = AdmitParts(system.transactions, clock, risk, venues, CASH, stage_of=stage_without_rollout)
        executor = Executor(DriveParts(system.transactions, venues, clock))
        try:
            await exchange.deposit("USD", CASH)
            opened = await venues.open(ADAPTER, VENUE, fee_bps=Decimal(0))
            for held in await opened.balances():
                if held.asset in COINS:  # what it begins with belongs to nobody
                    await exchange.deposit(held.asset, -held.total)
            await _pay_in(parts)
            await _run(parts, executor, system, opened)  # loads products, signs for the first time
            load = load_now()
            samples, n_calls = [], 0
            for _ in range(N_RUNS):
                with sent_statements() as sent:
                    seconds, n_calls = await _run(parts, executor, system, opened)
                samples.append(seconds)
        finally:
            await executor.close()
            await venue.close()
    notes = (
        f"{N_POSITIONS} positions closed at the market by the live adapter, signed, asked for and booked, then "
        f"balances and orders held against the ledger: {n_calls} calls of the venue, and {len(sent)} statements with "
        f"those of the openings; the budget is {BUDGET_S:g} s and what the calls take at the {CALLS_PER_S} a second "
        f"that the adapter allows itself; {load}"
    )
    budget = BUDGET_S + n_calls / CALLS_PER_S
    row = Row("flat", median(samples), "s", budget, n=N_RUNS, spread=spread(samples), notes=notes)
    return [row.as_dict()]


async def _pay_in(parts: AdmitParts) -> None:
    async with parts.transactions() as stores:
        account = await stores.accounts.open(adapter=ADAPTER, venue=VENUE, name="main", currency="USD")
        for n in range(N_POSITIONS):
            ledger = SubLedger(account.id, f"s{n}", TRACK)
            await pay(stores, ledger, CASH / N_POSITIONS, reference="start", at=datetime.now(UTC))


async def _record(system: System, prices: Mapping[str, Decimal]) -> None:
    """Bring prices into the record: nothing is opened of which it has no fresh one."""
    now = datetime.now(UTC)
    async with system.database.connection() as connection, connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO prices (symbol, price, timestamp, source, known_at) VALUES (%s, %s, %s, 'bench', %s)",
            [(coin, price, now, now) for coin, price in prices.items()],
        )


async def _run(parts: AdmitParts, executor: Executor, system: System, venue: Venue) -> tuple[float, int]:
    """Open ten positions, pull the switch, and measure the flatten: seconds and calls of the venue."""
    prices = {coin: (await venue.quote(coin)).mid for coin in COINS}
    await _record(system, prices)
    orders = tuple(
        EnteredOrder(
            COINS[n % len(COINS)],
            Side.BUY,
            (Decimal(5_000) / prices[COINS[n % len(COINS)]]).quantize(Decimal("1e-4")),
            est_price=prices[COINS[n % len(COINS)]],
            strategy_id=f"s{n}",
        )
        for n in range(N_POSITIONS)
    )
    execution = ExecutionParts(parts, executor, system.entropy)
    entered = await enter_orders(
        EnterRequest(orders, adapter=ADAPTER, venue=VENUE, max_slippage_bps=SLIPPAGE_BPS), execution
    )
    run = RunRequest(entered.decision_id, adapter=ADAPTER, venue=VENUE, max_slippage_bps=SLIPPAGE_BPS)
    admitted = await admit(run, parts, by=BY)
    await executor.settle([one.id for one in admitted], within_s=60.0)
    wanted = ManualTrigger(TRACK, "global", "bench", None, Mode.FLATTEN)
    await trigger_switch(wanted, by=BY, transactions=parts.transactions)
    with _counted_calls() as calls:
        started = time.perf_counter()
        report = await flatten(SCOPE, FlattenParts(parts, executor, system.entropy))
        seconds = time.perf_counter() - started
    if not report.proof.is_flat or len(report.closed) != N_POSITIONS:
        raise RuntimeError(f"not flat: {report.document()}")
    await reset_switch(TRACK, "global", reason="bench", by=BY, transactions=parts.transactions)
    return seconds, len(calls)


@contextmanager
def _counted_calls() -> Iterator[list[Urgency]]:
    """Note each request that is sent to a venue."""
    calls: list[Urgency] = []
    kept = RateBudget.take

    async def take(self: RateBudget, urgency: Urgency, *, within_s: float) -> None:
        calls.append(urgency)
        await kept(self, urgency, within_s=within_s)

    RateBudget.take = take  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        RateBudget.take = kept  # type: ignore[method-assign]
