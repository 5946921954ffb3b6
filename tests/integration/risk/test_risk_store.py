"""What the risk plane keeps, and the use cases that stand on it, on real PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors

from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.risk.breaker import MarketVerdict
from marketsentry.core.risk.codes import GLOBAL, Rule
from marketsentry.core.risk.hard_rules import LossFigures
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.positions import Position
from marketsentry.exceptions import DependencyError
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.risk import AccountState, ChangedBy, EventFilter, RiskEvent, Severity
from marketsentry.services.risk import CheckRequest, RiskParts, check_risk, record_limits
from marketsentry.services.risk_switch import read_switch, release_cleared
from marketsentry.services.risk_volatility import enforce_market, judge_targets
from small_market import FixedClock, random_series

BY = ChangedBy("test", "req")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BTC = Position("BTC", 0.1, "liquid")


class Ledger:
    """`AccountFigures` over numbers that the test gives."""

    def __init__(self, figures: LossFigures, *positions: Position) -> None:
        self.state = AccountState(figures, positions)

    async def __call__(self, stores: Stores, *, track: str, strategy_id: str) -> AccountState:
        return self.state


class UnreadableLedger:
    """`AccountFigures` that cannot tell."""

    async def __call__(self, stores: Stores, *, track: str, strategy_id: str) -> AccountState:
        raise DependencyError("the ledger cannot be read")


def parts(transactions: Transactions, account: Any = None, **limits: Any) -> RiskParts:
    return RiskParts(transactions, RiskLimits(**limits), FixedClock(NOW), account)


async def test_the_ledger_counts_when_it_is_worse(transactions: Transactions) -> None:
    """K-35."""
    desk = parts(transactions, Ledger(LossFigures(daily_loss=0.05), Position("BTC", 0.1, "liquid")))
    hidden = await check_risk(CheckRequest((BTC,), enforce=False), desk, by=BY)
    assert hidden.verdict.codes == ("daily_loss_exceeded", "kill_switch_triggered:liquid:global")
    assert hidden.verdict.judgement.expected_turnover == 0.0, "the ledger's holdings where none are named"
    named = CheckRequest((BTC,), current=(), figures=LossFigures(realized_drawdown=0.5), enforce=False)
    found = (await check_risk(named, desk, by=BY)).verdict
    assert found.codes[:2] == ("drawdown_exceeded", "daily_loss_exceeded")
    assert found.judgement.expected_turnover == pytest.approx(0.1)


async def test_a_ledger_that_cannot_be_read_approves_nothing(transactions: Transactions) -> None:
    """K-38."""
    with pytest.raises(DependencyError, match="ledger cannot be read"):
        await check_risk(CheckRequest((BTC,)), parts(transactions, UnreadableLedger()), by=BY)


async def test_a_hard_block_outlives_its_time_until_the_breach_has_ended(
    transactions: Transactions, database_url: str
) -> None:
    """K-41."""
    desk = parts(transactions)
    breach = LossFigures(realized_drawdown=0.5)
    await check_risk(CheckRequest((BTC,), figures=breach), desk, by=BY)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE risk_control_state SET expires_at = clock_timestamp() - interval '1 h'")
    found = await read_switch("liquid", GLOBAL, transactions=transactions)
    assert (found.triggered, found.expires_at, found.blocks[0].until_cleared) == (
        True,
        None,
        {Rule.DRAWDOWN},
    )
    given = {"limits": desk.limits, "by": BY, "transactions": transactions}
    assert await release_cleared("liquid", GLOBAL, breach, **given) == ()
    (change,) = await release_cleared("liquid", GLOBAL, LossFigures(0.1), **given)
    assert change.after.until_cleared == frozenset()
    assert not (await read_switch("liquid", GLOBAL, transactions=transactions)).triggered
    async with transactions() as stores:
        newest = (await stores.risk.history("liquid", GLOBAL, limit=1))[0]
    assert (newest.action, newest.reason, newest.request_id) == ("released", "breach_ended", "req")


async def test_a_check_releases_by_the_ledger_and_never_by_the_caller(
    transactions: Transactions, database_url: str
) -> None:
    """K-35, K-41."""
    await check_risk(CheckRequest((BTC,), figures=LossFigures(0.5)), parts(transactions), by=BY)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE risk_control_state SET expires_at = clock_timestamp() - interval '1 h'")
    small = CheckRequest((BTC,), current=())
    code = "kill_switch_triggered:liquid:global"
    assert (await check_risk(small, parts(transactions), by=BY)).verdict.codes == (code,)
    deep = parts(transactions, Ledger(LossFigures(0.5)))
    assert code in (await check_risk(small, deep, by=BY)).verdict.codes
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE risk_control_state SET expires_at = clock_timestamp() - interval '1 h'")
    recovered = parts(transactions, Ledger(LossFigures(0.1)))
    assert (await check_risk(small, recovered, by=BY)).verdict.approved


async def test_the_streak_of_one_strategy_does_not_release_the_track(transactions: Transactions) -> None:
    desk = parts(transactions)
    streak = CheckRequest((BTC,), figures=LossFigures(consecutive_losses=9))
    await check_risk(streak, desk, by=BY)
    calm = LossFigures()
    given = {"limits": desk.limits, "by": BY, "transactions": transactions}
    assert await release_cleared("liquid", "mine", calm, **given) == ()
    assert len(await release_cleared("liquid", GLOBAL, calm, **given)) == 1


async def test_limits_are_recorded_once_per_version(transactions: Transactions) -> None:
    """K-43."""
    first = await record_limits(parts(transactions))
    assert await record_limits(parts(transactions)) == first
    await record_limits(parts(transactions, max_turnover=0.3))
    async with transactions() as stores:
        assert await stores.risk.record_limits(RiskLimits().version, {}) == first


async def test_events_of_any_length_are_stored_in_order(transactions: Transactions) -> None:
    """K-07."""
    codes = ["x" * 100_000, "y" * 3_000, "short", "é" * 5_000]
    async with transactions() as stores:
        ids = await stores.risk.add_events(
            [RiskEvent(Severity.WARNING, code, "m", f"d-{code}") for code in codes]
        )
        assert await stores.risk.add_events([]) == []
    assert list(ids) == sorted(ids)
    async with transactions() as stores:
        for code in codes:
            found = await stores.risk.page_events(EventFilter(code=code), before_id=None, limit=9)
            assert [one.code for one in found] == [code]
        page = await stores.risk.page_events(EventFilter(), before_id=ids[2], limit=9)
    assert [one.id for one in page] == [ids[1], ids[0]]


@pytest.mark.parametrize("table", ["risk_events", "kill_switch_events", "risk_limit_versions"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
async def test_history_only_grows(
    transactions: Transactions, database_url: str, table: str, change: str
) -> None:
    desk = parts(transactions)
    await record_limits(desk)
    await check_risk(CheckRequest((BTC,), figures=LossFigures(0.9)), desk, by=BY)
    column = {"risk_limit_versions": "limits"}.get(table, "created_at")
    with psycopg.connect(database_url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        with pytest.raises(errors.RestrictViolation, match=f"{table} is append-only"):
            connection.execute(change.format(table, column, column).encode())


async def add_prices(database_url: str, symbol: str, prices: list[float], ends: datetime) -> None:
    rows = [
        (symbol, Decimal(str(price)), ends - timedelta(minutes=5 * (len(prices) - 1 - n)))
        for n, price in enumerate(prices)
    ]
    with psycopg.connect(database_url) as connection:
        connection.cursor().executemany(
            "INSERT INTO prices (symbol, price, timestamp, known_at) VALUES (%s, %s, %s, %s)",
            [(*row, row[-1]) for row in rows],
        )


async def judged(targets: Sequence[str], desk: RiskParts, as_of: datetime | None = None) -> MarketVerdict:
    async with desk.transactions() as stores:
        return await judge_targets(stores, targets, desk, as_of=as_of)


async def test_the_breaker_reads_prices_and_stops_the_track(
    transactions: Transactions, database_url: str
) -> None:
    jump = [100.0] * 40 + [110.0] * 10
    await add_prices(database_url, "BTC", jump, NOW)
    await add_prices(database_url, "ETH", [50.0] * 50, NOW)
    desk = parts(transactions)
    calm = await judged(["ETH", "ETH", "NONE"], desk)
    assert calm.codes == ("insufficient_market_data:NONE",)
    await enforce_market(calm, "liquid", desk, by=BY)
    assert not (await read_switch("liquid", GLOBAL, transactions=transactions)).triggered
    wild = await judged(["BTC"], desk)
    assert wild.codes == ("abnormal_volatility_circuit_breaker:BTC",)
    await enforce_market(wild, "liquid", desk, by=BY)
    found = await read_switch("liquid", GLOBAL, transactions=transactions)
    assert (found.reason, found.triggered) == ("abnormal_volatility_circuit_breaker", True)
    assert 0 < found.remaining_seconds <= 60
    async with transactions() as stores:
        event, unknown = await stores.risk.page_events(EventFilter(), before_id=None, limit=9)
    assert (event.severity, event.code) == (Severity.CRITICAL, wild.codes[0])
    assert str(event.decision_id).startswith("risk-precheck-")
    assert (unknown.severity, unknown.code) == (Severity.WARNING, calm.codes[0])


async def test_a_price_that_was_not_known_does_not_count(
    transactions: Transactions, database_url: str
) -> None:
    await add_prices(database_url, "BTC", [100.0] * 40 + [110.0] * 10, NOW)
    early = NOW - timedelta(minutes=55)
    assert (await judged(["BTC"], parts(transactions), as_of=early)).codes == ()


async def test_a_flood_of_prices_is_thinned_to_slots_and_the_newest(
    transactions: Transactions, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO prices (symbol, price, timestamp, known_at) "
            "SELECT 'BTC', 100 + n, %(now)s - n * interval '1 s', %(now)s - n * interval '1 s' "
            "FROM generate_series(0, 20000) AS n",
            {"now": NOW},
        )
    async with transactions() as stores:
        path = await stores.risk.spot_prices("BTC", as_of=NOW)
    assert path.ts_ns[-1] == datetime_to_ns(NOW)
    assert (np.diff(path.ts_ns) > 0).all()
    assert 97 + 60 <= path.ts_ns.size <= 97 + 70
    slots = (path.ts_ns - 1) // 300_000_000_000
    assert np.unique(slots).size == 67


async def test_closes_of_bars_stand_in_for_prices(transactions: Transactions) -> None:
    series = random_series("SOL", seed=4, n_bars=60)
    async with transactions() as stores:
        await stores.bars.merge(series)
    end = datetime.fromtimestamp(series.ts_ns[-1] / 1e9, UTC) + timedelta(hours=1)
    found = (await judged(["SOL"], parts(transactions), as_of=end)).verdicts[0]
    closes = series.values[-48:, 3]
    assert found.n_prices == 48
    assert found.worst_abs_return == pytest.approx(np.abs(closes[1:] / closes[:-1] - 1).max())
    late = await judged(["SOL"], parts(transactions), as_of=end + timedelta(hours=3))
    assert late.codes == ("insufficient_market_data:SOL",)
