"""The live trader on real PostgreSQL: it waits, trades each bar once, goes on after a restart, and obeys risk."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pytest

from account_fills import make_booking
from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.postgres.pipelined import sent_statements
from marketsentry.bootstrap import System, open_system
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime, utc_text
from marketsentry.core.orders.order import OrderStatus, Side
from marketsentry.exceptions import ConflictError
from marketsentry.ports.account_lists import Wanted
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.predictions import StoredPrediction
from marketsentry.ports.risk import ChangedBy
from marketsentry.services.execution_request import ACCOUNT
from marketsentry.services.risk_switch import ManualTrigger, reset_switch, trigger_switch
from marketsentry.services.trader_live import LiveRules, LiveTrader, Waiting
from marketsentry.services.trader_parts import BarStep
from marketsentry.settings import Settings
from recorded_prices import add_prices
from small_market import HOUR
from traded_runs import SYMBOLS
from trader_desk import Desk
from trader_market import N_BARS, N_LIVE, part, trader_market, trained_record


@pytest.fixture(scope="module")
def market() -> tuple[BarSeries, ...]:
    return trader_market()


@pytest.fixture(scope="module")
def settings(
    engines: Engines, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    return trained_record(
        engines, module_database_url, tmp_path_factory.mktemp("live"), risk_max_abs_return=0.0
    )


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[System]:
    async with open_system(settings) as opened:
        yield opened


async def test_it_trades_each_bar_once_and_goes_on_after_a_restart(
    system: System, market: tuple[BarSeries, ...]
) -> None:
    desk = Desk(system, market, "goes-on")
    for n in range(6):
        await desk.trade(n)
        waiting = await desk.trader.tick()
        assert isinstance(waiting, Waiting)
        assert "the next 1h bar closes at" in waiting.reason
    before = await desk.orders()
    assert before, "the model must trade"
    ended = {(one.status, one.reject_reason) for one in before}
    assert {status for status, _ in ended} <= {OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED}, ended
    desk.trader = desk.started()
    assert isinstance(await desk.trader.tick(), Waiting), "the bar was traded before the restart"
    step = await desk.trade(6)
    async with desk.transactions() as stores:
        positions = await stores.account_lists.positions(
            Wanted(strategy_id="goes-on"), open_only=True, after=None, limit=10
        )
        fills = await stores.account_lists.fills(
            Wanted(strategy_id="goes-on"), decision_id=None, order_id=None, before_id=None, limit=1_000
        )
    assert len({(one.client_order_id, one.fill.trade_id) for one in fills}) == len(fills)
    for position in positions:
        booked = sum(one.side.sign * one.fill.qty for one in fills if one.target == position.held.target)
        assert booked == position.held.position.qty
    assert step.equity_quote > 0
    for order in before:
        assert order.signal_id is not None


async def test_it_waits_for_late_bars_and_opens_nothing_without_them(
    system: System, market: tuple[BarSeries, ...]
) -> None:
    desk = Desk(system, market, "late-bars")
    await desk.trade(8)
    async with desk.transactions() as stores:
        await stores.bars.merge(part(market[0], N_BARS - N_LIVE + 9, N_BARS - N_LIVE + 10))
    close = ns_to_datetime(int(market[0].ts_ns[N_BARS - N_LIVE + 9]) + HOUR.ns)
    desk.clock.at = close + timedelta(seconds=1)
    waiting = await desk.trader.tick()
    assert isinstance(waiting, Waiting)
    assert "are not all there" in waiting.reason
    held = {one.id for one in await desk.orders()}
    desk.clock.at = close + timedelta(seconds=61)
    assert isinstance(await desk.trader.tick(), BarStep)
    new = [one for one in await desk.orders() if one.id not in held]
    assert all(one.target == "BTC" or one.is_reduce_only for one in new)


async def test_a_bar_that_is_traded_late_opens_nothing(system: System, market: tuple[BarSeries, ...]) -> None:
    desk = Desk(system, market, "too-late")
    for n in range(4):
        await desk.bar_closes(n)
    desk.clock.at += timedelta(minutes=16)
    step = await desk.trader.tick()
    assert isinstance(step, BarStep)
    assert not np.isfinite(step.decided.wanted).any() or not step.decided.wanted.any()
    assert await desk.orders() == []
    for n in range(4, 8):
        await desk.trade(n)
    assert await desk.orders(), "what comes in time is traded"


async def test_a_pulled_switch_holds_openings_back_and_lets_closings_pass(
    system: System, market: tuple[BarSeries, ...]
) -> None:
    desk = Desk(system, market, "held-back")
    pull = ManualTrigger("liquid", "held-back", reason="test", duration_minutes=None)
    await trigger_switch(pull, by=ChangedBy("test"), transactions=system.transactions)
    steps = [await desk.trade(n) for n in range(5)]
    blocked = await desk.orders()
    assert blocked, "something was to be opened"
    assert {one.status for one in blocked} == {OrderStatus.BLOCKED}
    assert {one.reject_reason for one in blocked} == {"kill_switch_triggered:liquid:held-back"}
    assert any(step.codes for step in steps)
    assert all(step.equity_quote == steps[0].equity_quote for step in steps), "nothing was traded"
    await reset_switch(
        "liquid", "held-back", reason="test", by=ChangedBy("test"), transactions=system.transactions
    )
    for n in range(5, 8):
        await desk.trade(n)
    before = {one.id for one in await desk.orders()}
    assert len(before) > len(blocked), "it opens again"
    await trigger_switch(pull, by=ChangedBy("test"), transactions=system.transactions)
    await desk.trade(8)
    new = [one for one in await desk.orders() if one.id not in before]
    assert all(one.is_reduce_only or one.status is OrderStatus.BLOCKED for one in new)


async def predictions_of(desk: Desk, end: datetime) -> list[StoredPrediction]:
    async with desk.transactions() as stores:
        newest = await stores.predictions.page(track="liquid", target=None, before_id=None, limit=1_000)
    return [one for one in newest if one.outputs.get("bar_end") == utc_text(datetime_to_ns(end))]


async def test_what_was_predicted_is_stored_whatever_becomes_of_the_bar(
    system: System, market: tuple[BarSeries, ...]
) -> None:
    desk, other = Desk(system, market, "predicts"), Desk(system, market, "predicts")
    await desk.trade(2)
    await other.bar_closes(2)
    assert isinstance(await other.trader.tick(), Waiting), "it has taken up the state"
    await desk.trade(3)
    end = desk.clock.at - timedelta(seconds=1)
    before = await predictions_of(desk, end)
    assert {one.target for one in before} >= set(SYMBOLS)
    other.clock.at = desk.clock.at + timedelta(seconds=1)
    with pytest.raises(ConflictError, match="another trader runs it"):
        await other.trader.tick()
    new = [one for one in await predictions_of(desk, end) if one.id > max(one.id for one in before)]
    assert {one.target for one in new} == set(SYMBOLS), "the decision is undone, what it rested on is not"


async def test_without_a_model_it_waits(system: System, market: tuple[BarSeries, ...]) -> None:
    desk = Desk(system, market, "no-model")
    rules = replace(desk.parts.serving.rules, models={"1h": ("nobody", "v0")})
    parts = replace(desk.parts, serving=replace(desk.parts.serving, rules=rules))
    waiting = await LiveTrader(LiveRules("1h", "no-model", SYMBOLS), parts).tick()
    assert isinstance(waiting, Waiting)
    assert "MS_SERVED_MODELS" in waiting.reason


async def test_a_bar_and_an_order_cost_few_statements(system: System, market: tuple[BarSeries, ...]) -> None:
    """They were 87 and 28, each waited for."""
    desk = Desk(system, market, "few-statements")
    for n in range(8):
        await desk.trade(n)
    handed: list[int] = []
    for n in range(8, N_LIVE):
        await desk.bar_closes(n)
        with sent_statements() as sent:
            desk.executor.on_handed = partial(_note, handed, sent)
            step = await desk.trader.tick()
        assert isinstance(step, BarStep)
        if step.orders:
            break
    assert handed, "one of the bars must trade to be counted"
    assert handed[0] <= 28, sent[: handed[0]]
    assert (len(sent) - handed[0]) / len(step.orders) <= 14, sent[handed[0] :]


def _note(handed: list[int], sent: Sequence[str]) -> None:
    handed.append(len(sent))


async def test_what_others_have_on_their_way_counts_at_the_market(
    system: System, market: tuple[BarSeries, ...]
) -> None:
    """A sale that was estimated at a cent fills at the market: the trader opens nothing beside it."""
    desk = Desk(system, market, "beside")
    await desk.trade(0)
    async with desk.transactions() as stores:
        account = await stores.accounts.find(adapter="paper", venue="beside", name=ACCOUNT)
    assert account is not None
    await add_prices(system.database, "XRP", 1e7, until=desk.clock.at)
    other = SubLedger(account.id, "other", "liquid")
    await make_booking(system.database)(
        other, target="XRP", est_price="0.01", status="executing", side=Side.SELL, at=desk.clock.at
    )
    codes = [code for n in range(1, 8) for code in (await desk.trade(n)).codes]
    assert "gross_exposure" in " ".join(codes), codes
