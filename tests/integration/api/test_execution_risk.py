"""What risk refuses of an execution over HTTP: code, event, switch and count (contract 1.5, 1.6, 1.13)."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from marketsentry.bootstrap import System
from marketsentry.core.orders.order import OrderStatus, Side
from marketsentry.ports.decisions import Decision, DecisionSource
from marketsentry.ports.orders import NewOrder
from order_calls import ORDERS, RUN, enter, execute, order, trade
from recorded_prices import add_prices
from risk_calls import ask, check, line, metric, moment, post, switch

MINE = "default-liquid-v1"
HARD = 'ms_risk_hard_blocks_total{track="liquid"}'


@pytest.fixture
async def priced(system: System) -> System:
    """A system that knows prices of BTC, ETH and SOL."""
    now = datetime.now(UTC)
    for symbol, price in (("BTC", 100.0), ("ETH", 10.0), ("SOL", 1.0)):
        await add_prices(system.database, symbol, price, until=now)
    return system


async def move(system: System, symbol: str, price: float) -> None:
    """Let a price be the newest."""
    await add_prices(system.database, symbol, price, until=datetime.now(UTC), n=1)


async def change(system: System, statement: bytes) -> None:
    """Change the record behind the back of the product."""
    async with system.database.connection() as connection:
        await connection.execute(statement)


async def events(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Risk events, oldest first."""
    return list(reversed((await ask(api, "risk/events"))["items"]))


async def statuses(api: httpx.AsyncClient) -> list[str]:
    """Of every order, oldest first."""
    return [one["status"] for one in reversed((await api.get(ORDERS)).json()["items"])]


async def test_a_jump_of_the_price_stops_the_track(priced: System, api: httpx.AsyncClient) -> None:
    """Check 4 comes before those of exposure, and after the switch."""
    entered = await enter(api, order(quantity=300))
    await move(priced, "BTC", 110.0)
    told = await execute(api, entered["decision_id"], 423)
    code = "abnormal_volatility_circuit_breaker:BTC"
    assert told == {"detail": f"risk_blocked:{code}"}
    (event,) = await events(api)
    assert (event["code"], event["severity"]) == (code, "critical")
    assert event["decision_id"].startswith("risk-precheck-")
    assert len(event["decision_id"]) == len("risk-precheck-") + 12
    assert event["payload"] == {"worst_abs_return": pytest.approx(0.1), "threshold": 0.06}
    block = await switch(api)
    assert (block["reason"], block["triggered"]) == ("abnormal_volatility_circuit_breaker", True)
    assert 0 < block["remaining_seconds"] <= 60
    assert await execute(api, entered["decision_id"], 423) == {
        "detail": "kill_switch_triggered:liquid:global"
    }
    assert await statuses(api) == ["submitted"]


async def test_one_wild_target_among_calm_ones_is_blocked_alone(
    priced: System, api: httpx.AsyncClient
) -> None:
    """K-39."""
    entered = await enter(api, *[order(target=one, quantity=1) for one in ("BTC", "ETH", "SOL", "DOGE")])
    await move(priced, "BTC", 110.0)
    codes = ("abnormal_volatility_circuit_breaker:BTC", "insufficient_market_data:DOGE")
    assert await execute(api, entered["decision_id"], 423) == {"detail": f"risk_blocked:{','.join(codes)}"}
    found = await events(api)
    assert [(one["code"], one["severity"]) for one in found] == [
        (codes[0], "critical"),
        (codes[1], "warning"),
    ]
    assert found[1]["message"].startswith("0 prices of two days are known; at least 32 are needed")
    assert not (await switch(api))["triggered"]
    calm = await trade(api, order(target="ETH", quantity=1, est_price=10))
    assert calm[0]["status"] == "filled"


async def test_a_streak_of_losses_stops_the_strategy(priced: System, api: httpx.AsyncClient) -> None:
    for _ in range(6):
        for side in ("buy", "sell"):
            (done,) = await trade(api, order(side=side))
            assert done["status"] == "filled"
    entered = await enter(api, order())
    code = f"consecutive_loss_exceeded:{MINE}"
    assert await execute(api, entered["decision_id"], 423) == {"detail": f"risk_blocked:{code}"}
    block = await switch(api, MINE)
    assert (block["reason"], block["triggered"]) == ("consecutive_loss_exceeded", True)
    assert block["metadata"].items() >= {"violations": [code], "streak": 6}.items()
    (event,) = await events(api)
    assert (event["code"], event["severity"], event["decision_id"]) == (
        code,
        "critical",
        entered["decision_id"],
    )
    assert event["payload"] == {"figure": 6.0, "limit": 5.0, "hard": True, "streak": 6}
    assert await metric(api, HARD) == 1.0
    assert not (await switch(api))["triggered"]
    assert (await trade(api, order(strategy_id="other")))[0]["status"] == "filled"


@pytest.mark.parametrize(
    ("fall", "rules"), [(0.8, ["daily_loss_exceeded"]), (0.1, ["drawdown_exceeded", "daily_loss_exceeded"])]
)
async def test_a_loss_stops_the_track_and_closing_goes_on(
    priced: System, api: httpx.AsyncClient, fall: float, rules: list[str]
) -> None:
    """K-32, K-35: by the equity of the ledger, whatever a caller says."""
    await trade(api, order(quantity=190))
    await trade(api, order(target="ETH", quantity=1900, est_price=10))
    await move(priced, "BTC", 100.0 * fall)
    await move(priced, "ETH", 10.0 * fall)
    entered = await enter(api, order(target="SOL", quantity=1, est_price=1))
    tried = await check(api, line("SOL", 0.0), evaluate_only=True)
    assert tried["violations"] == [*rules, "kill_switch_triggered:liquid:global"]
    assert await execute(api, entered["decision_id"], 423) == {"detail": f"risk_blocked:{','.join(rules)}"}
    block = await switch(api)
    assert (block["reason"], block["triggered"]) == (rules[0], True)
    assert moment(block["expires_at"]) >= datetime.now(UTC)
    assert await metric(api, HARD) == 1.0
    found = await events(api)
    assert [(one["code"], one["severity"]) for one in found] == [(one, "warning") for one in rules]
    lost = 0.38 * (1 - fall)
    for event in found:
        assert event["payload"]["figure"] == pytest.approx(lost, rel=0.01)
        assert (
            event["payload"]["limit"]
            == {"drawdown_exceeded": 0.2, "daily_loss_exceeded": 0.03}[event["code"]]
        )
        assert 0 <= event["payload"]["execution_shortfall_ratio"] < 0.03
        assert f"the limit is {event['payload']['limit']:.6g}" in event["message"]
    (sold,) = await trade(api, order(side="sell", quantity=190, est_price=100 * fall))
    assert (sold["status"], sold["reduce_only"]) == ("filled", True)


async def test_losses_that_cannot_be_told_open_nothing(priced: System, api: httpx.AsyncClient) -> None:
    """K-38."""
    await trade(api, order())
    for table, column in ((b"prices", b"timestamp"), (b"positions", b"marked_at")):
        where = b" WHERE symbol = 'BTC'" if table == b"prices" else b""
        await change(priced, b"UPDATE %s SET %s = %s - interval '3 hours'%s" % (table, column, column, where))
    entered = await enter(api, order(target="ETH", quantity=1, est_price=10))
    code = "insufficient_market_data:account"
    assert await execute(api, entered["decision_id"], 423) == {"detail": f"risk_blocked:{code}"}
    (event,) = await events(api)
    assert (event["code"], event["severity"]) == (code, "critical")
    assert "the mark of BTC must be at most 2:00:00 old" in event["message"]
    assert await statuses(api) == ["filled", "submitted"]


async def test_what_is_held_and_on_its_way_is_the_ledgers(priced: System, api: httpx.AsyncClient) -> None:
    """K-29, K-35: a check that names no positions is one of what is held."""
    await trade(api, order(quantity=150))
    found = await check(api, line("BTC", 0.15))
    assert found["expected_turnover"] == pytest.approx(0.0, abs=1e-4)
    named = await check(api, line("BTC", 0.15), current_positions=[])
    assert named["expected_turnover"] == 0.15


async def test_runs_at_once_never_spend_one_limit_twice(priced: System, api: httpx.AsyncClient) -> None:
    """K-44: a fifth of the capital is two orders of nine hundredths, in whatever order eight of them come."""
    entered = [await enter(api, order(quantity=90)) for _ in range(8)]
    answers = await asyncio.gather(
        *(api.post(RUN, json={"decision_id": one["decision_id"]}) for one in entered)
    )
    assert sorted(one.status_code for one in answers) == [200] * 2 + [423] * 6
    refused = [one.json()["detail"] for one in answers if one.status_code == 423]
    assert set(refused) == {"risk_blocked:single_weight_exceeded:BTC"}
    assert (await ask(api, "positions"))["items"][0]["qty"] == 180.0


async def test_a_low_estimate_makes_no_order_small(priced: System, api: httpx.AsyncClient) -> None:
    """K-26, K-40, K-44: a sale fills at the market, and counts at it, also while it is on its way."""
    entered = await enter(api, order(target="ETH", side="sell", quantity=3000, est_price=0.01))
    code = "risk_blocked:single_weight_exceeded:ETH"
    assert await execute(api, entered["decision_id"], 423) == {"detail": code}
    small = [
        await enter(api, order(target="ETH", side="sell", quantity=900, est_price=0.01)) for _ in range(6)
    ]
    answers = await asyncio.gather(
        *(api.post(RUN, json={"decision_id": one["decision_id"]}) for one in small)
    )
    assert sorted(one.status_code for one in answers) == [200] * 2 + [423] * 4
    assert (await ask(api, "positions"))["items"][0]["qty"] == -1800.0


async def test_an_order_without_a_price_never_fills_at_zero(priced: System, api: httpx.AsyncClient) -> None:
    """K-15."""
    await trade(api, order())
    await change(priced, b"DELETE FROM prices")
    (left,) = await trade(api, order(side="sell", est_price=None))
    told = left["execution"]
    assert (left["status"], told["reject_reason"]) == ("rejected", "no_market_data")
    assert (told["filled_qty"], told["avg_fill_price"], told["fees_paid"]) == (0.0, None, 0.0)
    assert (await ask(api, "positions"))["items"][0]["qty"] == 10.0


async def test_an_order_beyond_all_measure_is_refused_by_its_limits(
    priced: System, api: httpx.AsyncClient
) -> None:
    entered = await enter(api, order(quantity=1e17, est_price=1e17))
    codes = (
        *("single_weight_exceeded:BTC", "gross_exposure_exceeded", "sector_exposure_exceeded:crypto"),
        *("style_exposure_exceeded:crypto_beta", "turnover_exceeded"),
    )
    assert await execute(api, entered["decision_id"], 423) == {"detail": f"risk_blocked:{','.join(codes)}"}
    assert [one["code"] for one in await events(api)] == list(codes)


@pytest.mark.parametrize("target", ["BTC", "DOGE"])
async def test_a_run_of_a_rebalance_is_answered_by_orders_or_by_a_lock(
    priced: System, api: httpx.AsyncClient, target: str
) -> None:
    """Contract 0.4: never 404, and never anything else, with prices (BTC) or without (DOGE)."""
    signal = {"target": target, "track": "liquid", "action": "buy", "score": 0.1, "confidence": 0.9}
    for capital, status in ((1_000, 200 if target == "BTC" else 423), (1e15, 423)):
        told = await post(api, "portfolio/rebalance", signals=[signal], capital=capital)
        assert len(told["orders"]) == 1
        await execute(api, told["decision_id"], status)


async def test_orders_of_an_unapproved_decision_do_not_run(priced: System, api: httpx.AsyncClient) -> None:
    """K-31."""
    refused = {"code": "drawdown_exceeded", "rule": "drawdown", "cure": "breach"}
    for name, status in (("a" * 32, OrderStatus.BLOCKED), ("b" * 32, OrderStatus.SUBMITTED)):
        async with priced.transactions() as stores:
            await stores.decisions.add(
                Decision(
                    name,
                    "liquid",
                    MINE,
                    DecisionSource.REBALANCE,
                    datetime.now(UTC),
                    False,
                    violations=(refused,),
                )
            )
            wanted = NewOrder(
                name,
                "BTC",
                "liquid",
                Side.BUY,
                Decimal(1),
                base_quantity=Decimal(1),
                notional=Decimal(100),
                est_price=Decimal(100),
                status=status,
                reject_reason="drawdown_exceeded" if status is OrderStatus.BLOCKED else None,
            )
            await stores.orders.add([wanted])
        joined = await api.post(ORDERS, json={"orders": [order(decision_id=name)]})
        assert (joined.status_code, joined.json()) == (
            409,
            {"detail": f"decision {name} was not approved and takes no orders"},
        )
    told = await execute(api, "a" * 32)
    assert [(one["status"], one["reject_reason"]) for one in told["orders"]] == [
        ("blocked", "drawdown_exceeded")
    ]
    assert told["filled"] == 0
    assert await execute(api, "b" * 32, 423) == {"detail": "risk_blocked:drawdown_exceeded"}
    assert await statuses(api) == ["blocked", "submitted"]
    assert (await ask(api, "fills"))["items"] == []
