"""The trader over recorded bars: it reads nothing later than its clock, goes on after a stop, and trades apart."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, replace
from decimal import Decimal

import pytest

from faulty_venue import CrashError
from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import System, open_system
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.timestamps import utc_text
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.ports.orders import OrderFilter, StoredOrder
from marketsentry.rehearsal import replayed_trader
from marketsentry.services.execution_begin import begin
from marketsentry.services.execution_claim import DriveParts, DriveRules
from marketsentry.services.executor import Executor
from marketsentry.services.trader_live import LiveRules
from marketsentry.services.trader_replay import ReplaySpan, ReplaySummary, replay_trader
from marketsentry.settings import Settings
from programs import ms, ms_json
from small_market import HOUR
from traded_runs import SYMBOLS
from trader_market import N_BARS, N_LIVE, part, trader_market, trained_record

SHORT_LEASES = DriveRules(lease_s=0.2, call_s=0.2, grace_s=60.0)
EAGER = {"cost_multiple": 0.0, "rebalance_band_frac": 0.005}


@pytest.fixture(scope="module")
def market() -> tuple[BarSeries, ...]:
    return trader_market()


@pytest.fixture(scope="module")
def settings(
    engines: Engines, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    return trained_record(
        engines, module_database_url, tmp_path_factory.mktemp("replay"), liquid_symbols=SYMBOLS
    )


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[System]:
    async with open_system(settings) as opened:
        yield opened


async def bars_come(system: System, market: Sequence[BarSeries], start: int, stop: int) -> None:
    first = N_BARS - N_LIVE
    async with system.transactions() as stores:
        for series in market:
            await stores.bars.merge(part(series, first + start, first + stop))


def span_of(market: Sequence[BarSeries], n_bars: int, *, speed: float | None = None) -> ReplaySpan:
    start_ns = int(market[0].ts_ns[N_BARS - N_LIVE])
    return ReplaySpan(start_ns, start_ns + n_bars * HOUR.ns, speed)


async def replayed(
    system: System, span: ReplaySpan, *, stop_after: int | None = None, name: str = "s"
) -> ReplaySummary:
    """Replay a span, at most so many bars of it; another `name` of a fee makes another replay."""
    stop = asyncio.Event()
    fee = {"s": Decimal(5), "other": Decimal("5.5"), "third": Decimal(6), "alone": Decimal(7)}[name]
    rules = LiveRules("1h", "unused", SYMBOLS, fee_bps=fee, replay=EAGER)
    n_done = 0

    def progress(done: int, total: int) -> None:
        nonlocal n_done
        n_done += 1
        if stop_after is not None and n_done >= stop_after:
            stop.set()

    async with replayed_trader(system, stop=stop) as parts:
        return await replay_trader(rules, span, parts, progress=progress)


class DyingExecutor(Executor):
    """Dies of the first orders that it is given, of some after it has written that it sends them."""

    def __init__(self, parts: DriveParts, *, sends: bool) -> None:
        super().__init__(parts, owner="dying")
        self._dying, self._sends = parts, sends

    async def settle(self, orders: Sequence[StoredOrder | int], **how: object) -> None:
        for order in orders if self._sends else ():
            await begin(order, self._dying, owner=self.owner)
        raise CrashError


async def killed_at_its_orders(system: System, span: ReplaySpan, *, sends: bool) -> None:
    """Replay until there are orders, and end before they are executed."""
    rules = LiveRules("1h", "unused", SYMBOLS, replay=EAGER)
    async with replayed_trader(system, stop=asyncio.Event()) as parts:
        admit = parts.live.admit
        drive = DriveParts(admit.transactions, admit.venues, admit.clock, rules=SHORT_LEASES)
        dying = DyingExecutor(drive, sends=sends)
        with pytest.raises(CrashError):
            await replay_trader(rules, span, replace(parts, live=replace(parts.live, executor=dying)))
        await dying.close()


async def orders_of(system: System, strategy_id: str) -> list[StoredOrder]:
    async with system.transactions() as stores:
        found = await stores.orders.page(OrderFilter(strategy_id=strategy_id), before_id=None, limit=1_000)
    return list(reversed(found))


async def fills_of(system: System, strategy_id: str) -> list[tuple[object, ...]]:
    async with system.transactions() as stores:
        found = [one for one in await stores.orders.fills() if one.strategy_id == strategy_id]
    return sorted((one.filled_at, one.target, one.side, one.qty, one.price, one.fee) for one in found)


def decided(orders: Sequence[StoredOrder]) -> list[tuple[object, ...]]:
    return [(one.price_ts, one.target, one.side, one.quantity, one.filled_qty, one.status) for one in orders]


async def test_a_replay_trades_goes_on_after_a_stop_and_reads_nothing_later(
    system: System, market: tuple[BarSeries, ...]
) -> None:
    await bars_come(system, market, 0, 10)
    first = await replayed(system, span_of(market, 10), stop_after=4)
    assert (first.bars, first.is_complete, first.resumed_at) == (4, False, None)
    second = await replayed(system, span_of(market, 10))
    assert (second.bars, second.is_complete, second.resumed_at) == (10, True, first.end)
    assert second.strategy_id == first.strategy_id
    assert second.orders > 0 < second.fills
    assert second.equity_quote is not None
    third = await replayed(system, span_of(market, 10))
    assert asdict(third) == {**asdict(second), "resumed_at": second.end, "codes": ()}, "nothing is done twice"
    known = decided(await orders_of(system, first.strategy_id))
    assert len(known) == second.orders

    await bars_come(system, market, 10, 20)
    whole = await replayed(system, span_of(market, 10), name="other")
    again = decided(await orders_of(system, whole.strategy_id))
    assert [row[:4] for row in again[:3]] == [row[:4] for row in known[:3]]
    fresh = await replayed(system, span_of(market, 12))
    assert fresh.strategy_id != first.strategy_id, "another span is another replay"
    longer = decided(await orders_of(system, fresh.strategy_id))
    assert longer[: len(known)] == known, "bars that came later, and the stop, changed nothing"
    async with system.transactions() as stores:
        accounts = await stores.accounts.list()
    assert accounts
    assert all(one.is_apart and one.adapter == "paper" for one in accounts)


async def test_orders_that_a_killed_replay_left_are_filled_at_the_close_of_their_bar(
    system: System, market: tuple[BarSeries, ...]
) -> None:
    """Killed at the orders of each bar, and started again, it comes to what it comes to in one go."""
    await bars_come(system, market, 0, 10)
    for sends in (True, False):
        await killed_at_its_orders(system, span_of(market, 8), sends=sends)
    killed = await replayed(system, span_of(market, 8))
    whole = await replayed(system, span_of(market, 9), stop_after=8)
    assert killed.is_complete
    assert killed.strategy_id != whole.strategy_id
    assert (killed.orders, killed.equity_quote) == (whole.orders, whole.equity_quote)
    assert await fills_of(system, killed.strategy_id) == await fills_of(system, whole.strategy_id) != []


async def test_what_has_no_bar_is_lost_and_the_replay_goes_on(
    system: System, market: tuple[BarSeries, ...]
) -> None:
    first = N_BARS - N_LIVE
    async with system.transactions() as stores:
        for series in market[:1]:
            await stores.bars.merge(part(series, first + 20, first + 22))
        for series in market[1:]:
            await stores.bars.merge(part(series, first + 21, first + 22))
    found = await replayed(system, span_of(market, 22), name="third")
    assert (found.bars, found.is_complete) == (22, True)


async def test_other_programs_leave_the_orders_of_a_replay_alone(
    system: System, market: tuple[BarSeries, ...]
) -> None:
    """They would fill them at the prices of today."""
    await bars_come(system, market, 0, 10)
    summary = await replayed(system, span_of(market, 10), name="alone")
    (order, *_) = await orders_of(system, summary.strategy_id)
    async with system.database.connection() as connection:
        await connection.execute("UPDATE orders_sim SET status = 'executing' WHERE id = %s", [order.id])
    assert order.id not in await system.executor.claim_open()


async def test_what_cannot_be_replayed_is_refused(system: System, market: tuple[BarSeries, ...]) -> None:
    stop = asyncio.Event()
    rules = LiveRules("1h", "unused", SYMBOLS)
    async with replayed_trader(system, stop=stop) as parts:
        with pytest.raises(InputError, match="trades on paper, was coinbase_live"):
            await replay_trader(replace(rules, adapter="coinbase_live"), span_of(market, 3), parts)
        short = ReplaySpan(int(market[0].ts_ns[0]) + 1, int(market[0].ts_ns[0]) + HOUR.ns)
        with pytest.raises(InputError, match="must hold a whole 1h bar"):
            await replay_trader(rules, short, parts)
        unknown = replace(
            parts.live.serving, rules=replace(parts.live.serving.rules, models={"1h": ("no", "v0")})
        )
        with pytest.raises(NotFoundError):
            await replay_trader(
                rules, span_of(market, 3), replace(parts, live=replace(parts.live, serving=unknown))
            )
        assert (
            parts.live.admit.venues.refusal("coinbase_live", "coinbase")
            == "coinbase_credentials_not_configured"
        )


def test_a_span_must_be_one(market: tuple[BarSeries, ...]) -> None:
    with pytest.raises(InputError, match="after its start"):
        ReplaySpan(10, 10)
    for speed in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="speed must be max or a number > 0"):
            ReplaySpan(10, 20, speed)
    assert list(ReplaySpan(1, 3 * HOUR.ns).ends_ns(HOUR)) == [2 * HOUR.ns, 3 * HOUR.ns]


def test_the_verbs_replay_and_go_on(settings: Settings, market: tuple[BarSeries, ...]) -> None:
    """As processes: `ms run trader` to the end, then `ms up` on the same span finds it done."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    variables = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "MS_SERVED_MODELS": "1h=panel:passed",
        "LIQUID_SYMBOLS": ",".join(SYMBOLS),
    }
    span = span_of(market, 5)
    words = ("--replay", utc_text(span.start_ns), utc_text(span.stop_ns), "--speed", "max")
    told = ms_json(settings.home, "run", "trader", *words, **variables)
    assert (told["from"], told["to"]) == (utc_text(span.start_ns), utc_text(span.stop_ns))
    assert (told["complete"], told["bars"], told["resumed_at"], told["model"]) == (
        True,
        5,
        None,
        "panel:passed",
    )
    assert told["equity"] > 0
    again = ms_json(settings.home, "up", *words, **variables)
    assert again == {**told, "resumed_at": told["to"], "held_back": []}
    for wrong in (
        ("run", "api", *words),
        ("run", "trader", *words[:3], "--speed", "fast"),
        ("up", "--speed", "2"),
    ):
        assert ms(settings.home, *wrong, **variables).returncode == 2
