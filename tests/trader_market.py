"""A market that a small model was trained on but for its newest bars, which come one by one in the tests of traders."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import System, open_system
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.settings import Settings
from small_market import HOUR
from traded_runs import SYMBOLS, train_small

N_BARS = 45 * 24
N_LIVE = 24
MODEL = ("panel", "passed")


@cache
def trader_market() -> tuple[BarSeries, ...]:
    """Make the bars of all symbols."""
    return make_market(seed=11, symbols=SYMBOLS, interval=HOUR, n_bars=N_BARS, signal_strength=2.0).series


def part(series: BarSeries, start: int, stop: int) -> BarSeries:
    """Cut bars out of a series."""
    return replace(series, ts_ns=series.ts_ns[start:stop], values=series.values[start:stop])


def trained_record(
    engines: Engines, database_url: str, home: Path, market: Sequence[BarSeries] | None = None, **told: Any
) -> Settings:
    """Make settings of a record with a version that passed, trained on all but the newest bars."""
    known = {"home": home, "database_url": database_url, "redis_url": engines.redis_url}
    settings = Settings.model_validate({**known, "served_models": (("1h", *MODEL),), **told})
    asyncio.run(_train(settings, market or trader_market()))
    return settings


async def _train(settings: Settings, market: Sequence[BarSeries]) -> None:
    async with open_system(settings) as system:
        end = ns_to_datetime(int(market[0].ts_ns[N_BARS - N_LIVE]))
        await train_small(system, [part(one, 0, N_BARS - N_LIVE) for one in market], at=end)
        await pass_small(system)


async def pass_small(system: System) -> None:
    """Register what `train_small` made a second time, as a version that has passed."""
    async with system.transactions() as stores:
        known = (await stores.models.get("panel", "v1")).model
        verdict = {**known.verdict, "outcome": "pass"}
        await stores.models.register(replace(known, version=MODEL[1], verdict=verdict))
