"""The source of the settings, wired as the role of the trader does it: bars stream, and the status says so."""

from pathlib import Path

import pytest

from live_venues import eventually
from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import open_system
from marketsentry.core.market.interval import parse_interval
from marketsentry.ports.feeds import FeedMode
from marketsentry.roles.trader import live_bars
from marketsentry.services.live_bars import LiveBars
from marketsentry.settings import Settings
from marketsentry.simexchange.exchange import SimExchange, VenueKind
from programs import ms_json

MINUTE = parse_interval("1m")


def is_streaming(bars: LiveBars) -> bool:
    return bars.state is not None and bars.state.mode is FeedMode.STREAM


@pytest.mark.parametrize("kind", list(VenueKind))
async def test_the_source_of_the_settings_streams_and_the_status_says_so(
    settings: Settings, engines: Engines, database_url: str, kind: VenueKind, tmp_path: Path
) -> None:
    async with SimExchange(kind, seed=3, tick_s=0.1) as exchange:
        changes = {"trader_source": kind.value, "trader_source_url": exchange.url}
        async with open_system(settings.model_copy(update=changes)) as system, live_bars(system) as bars:
            assert bars is not None
            await bars.refresh(("BTC", "ETH"), MINUTE)
            await eventually(lambda: is_streaming(bars))
            await eventually(lambda: bars.state is not None and bars.state.heard_at is not None)
            assert {one.partition(" ")[0] for one in exchange.subscriptions} <= {
                *("market_trades", "heartbeats"),
                "trade",
            }
            variables = {"DATABASE_URL": database_url, "REDIS_URL": engines.redis_url}
            await eventually(lambda: _told(tmp_path, variables, kind), within_s=90)
        assert exchange.n_streams == 0


def _told(home: Path, variables: dict[str, str], kind: VenueKind) -> bool:
    feeds = [one for one in ms_json(home, "status", **variables)["feeds"] if one["source"] == kind.value]
    return [(one["mode"], one["symbols"], one["interval"]) for one in feeds] == [
        ("stream", ["BTC", "ETH"], "1m")
    ]


async def test_without_a_source_the_record_is_what_there_is(settings: Settings) -> None:
    async with open_system(settings) as system, live_bars(system) as bars:
        assert bars is None
