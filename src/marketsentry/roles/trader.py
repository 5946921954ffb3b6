"""The trader: one strategy, bar after bar, until it is told to stop.

Without a registered model it waits and says so once; what it waits for otherwise is said when it changes. An error of
the record or of the source, and a state that a person must mend, is said once and looked at again: nothing is traded
meanwhile, and nothing else that runs on this machine (the API, the kill switch) goes down with the trader.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import structlog

from marketsentry.bootstrap import System
from marketsentry.exceptions import MarketSentryError, NotFoundError
from marketsentry.settings import Settings

if TYPE_CHECKING:
    from marketsentry.services.live_bars import LiveBars
    from marketsentry.services.trader_live import LiveRules, LiveTrader  # brings the kernels

LOOK_EVERY_S = 1.0
LOOK_FOR_MODEL_EVERY_S = 5.0
_VENUES = {"paper": "coinbase", "coinbase_live": "coinbase", "bitget_live": "bitget"}
_TAKER_BPS = {"paper": 5, "coinbase_live": 60, "bitget_live": 10}  # of who trades little
log = structlog.get_logger(__name__)


async def run_trader(system: System, *, stop: asyncio.Event) -> None:
    """Trade until `stop` is set.

    Parameters
    ----------
    system
        Open for as long as this runs.
    stop
        Set it to return after the bar under way.
    """
    executing = {
        asyncio.create_task(system.executor.run(stop)),
        asyncio.create_task(system.order_watch.run(stop)),
    }
    try:
        if await _model_is_there(system, stop):
            async with live_bars(system) as bars:
                await trade(make_live_trader(system, bars), stop=stop)
    finally:
        for task in executing:
            task.cancel()
        await asyncio.wait(executing)


def make_live_trader(system: System, bars: "LiveBars | None" = None) -> "LiveTrader":
    """Put the trader of the settings together; `bars` brings what closes into the record."""
    from marketsentry.services.trader_live import LiveParts, LiveTrader

    refresh = None if bars is None else bars.refresh
    return LiveTrader(
        live_rules(system.settings),
        LiveParts(system.execution.admit, system.executor, system.serving, system.entropy, refresh),
    )


def live_rules(settings: Settings) -> "LiveRules":
    """Tell what the trader of the settings trades."""
    from marketsentry.services.backtest import backtest_defaults
    from marketsentry.services.trader_live import LiveRules

    return LiveRules(
        horizon=settings.trader_horizon,
        strategy_id=settings.trader_strategy,
        symbols=settings.liquid_symbols,
        adapter=settings.trader_adapter,
        venue=_VENUES[settings.trader_adapter],
        fee_bps=Decimal(_TAKER_BPS[settings.trader_adapter])
        if settings.trader_fee_bps is None
        else settings.trader_fee_bps,
        max_slippage_bps=Decimal(20),
        replay=backtest_defaults(settings).replay,
    )


async def _model_is_there(system: System, stop: asyncio.Event) -> bool:
    """Wait for the model of the horizon, without the kernels in memory."""
    name, version = system.settings.models_by_horizon()[system.settings.trader_horizon]
    is_said = False
    while not stop.is_set():
        try:
            async with system.transactions() as stores:
                await stores.models.get(name, version, track="liquid")
        except NotFoundError as error:
            if not is_said:
                log.info("trader_waits", reason=f"{error}; train it, or name another with MS_SERVED_MODELS")
            is_said = True
        except MarketSentryError as error:
            log.warning("trader_failed", reason=str(error))
        else:
            return True
        await _wait(stop, LOOK_FOR_MODEL_EVERY_S)
    return False


async def trade(trader: "LiveTrader", *, stop: asyncio.Event) -> None:
    """Let a trader look for bars until `stop` is set; what keeps it from trading is said when it changes.

    Parameters
    ----------
    trader
        Looks for the next bar.
    stop
        Set it to return after the bar under way.
    """
    from marketsentry.services.trader_parts import BarStep

    said = ""
    while not stop.is_set():
        try:
            step = await trader.tick()
        except MarketSentryError as error:
            if said != (said := str(error)):
                log.error("trader_failed", reason=said)
            await _wait(stop, LOOK_FOR_MODEL_EVERY_S)
            continue
        if isinstance(step, BarStep):
            said = ""
            log.info(
                "bar_traded",
                bar=step.decided.ts_ns,
                equity=str(step.equity_quote),
                decision_id=step.decision_id,
                orders=[one.id for one in step.orders],
                held_back=list(step.codes),
            )
            continue
        if said != (said := step.reason):
            log.info("trader_waits", reason=said)
        await _wait(stop, LOOK_EVERY_S)


@asynccontextmanager
async def live_bars(system: System) -> AsyncIterator["LiveBars | None"]:
    """Open the source of the settings; None where the trader trades what the record gets."""
    import numpy as np

    settings = system.settings
    if not settings.trader_source:
        yield None
        return
    from marketsentry.adapters.redis.feed_board import RedisFeedBoard
    from marketsentry.adapters.venues.candles import open_candle_venue
    from marketsentry.adapters.venues.trade_stream import STREAMED, TradeStream
    from marketsentry.core.market.symbols import Market
    from marketsentry.services.live_bars import FeedParts, LiveBars

    source, address = settings.trader_source, settings.trader_source_url or None
    async with open_candle_venue(source, Market.SPOT, base_url=address, timeout_s=10.0) as venue:
        bars = LiveBars(
            FeedParts(
                system.transactions,
                system.clock,
                venue,
                np.random.default_rng(),
                open_stream=partial(TradeStream, source, base_url=address) if source in STREAMED else None,
                board=RedisFeedBoard(system.redis),
            )
        )
        try:
            yield bars
        finally:
            await bars.close()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
