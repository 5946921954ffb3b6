"""A download that is killed at an arbitrary moment goes on from its last checkpoint."""

import asyncio
import json
import os
import sys

import numpy as np
import pytest

from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.simexchange.candles import Candle, CandleExchange, Listing
from marketsentry.simexchange.protocols import CoinbaseProtocol

M5 = parse_interval("5m")
N = 12_000
SERIES = make_market(seed=6, symbols=("BTC",), interval=M5, n_bars=N).series[0]
QUIET = set(range(5_000, 5_020))


def listing():
    candles = [
        Candle(int(ts) // 10**6, *map(float, row))
        for n, (ts, row) in enumerate(zip(SERIES.ts_ns, SERIES.values, strict=True))
        if n not in QUIET
    ]
    return Listing("BTC", "USD", {300: candles, 86_400: candles[:1]})


async def download(url, environment):
    return await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "marketsentry",
            "data",
            "download",
            "--venue",
            "coinbase",
            "--symbols",
            "BTC",
        ),
        *("--interval", "5m", "--since", ns_to_datetime(int(SERIES.ts_ns[0])).isoformat(), "--json"),
        *("--until", ns_to_datetime(int(SERIES.ts_ns[-1]) + M5.ns).isoformat(), "--base-url", url),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("killed_at_request", [22, 39])
async def test_kill_9_loses_and_doubles_nothing(
    transactions, engines, database_url, tmp_path, killed_at_request
):
    environment = {
        "MS_HOME": str(tmp_path / "home"),
        "DATABASE_URL": database_url,
        "REDIS_URL": engines.redis_url,
    }
    running = []

    def kill(n_requests):
        if n_requests == killed_at_request and len(running) == 1:
            running[0].kill()

    async with CandleExchange(CoinbaseProtocol(), [listing()], on_request=kill) as server:
        running.append(await download(server.url, environment))
        await running[0].communicate()
        assert running[0].returncode == -9
        async with transactions() as stores:
            before = await stores.bars.load("BTC-USD", M5)
        n_asked = len(server.requests)
        running.append(await download(server.url, environment))
        stdout, stderr = await running[1].communicate()
        assert running[1].returncode == 0, stderr.decode()
        asked_again = [query for path, query, _ in server.requests[n_asked:] if path.endswith("candles")]

    assert 0 < before.ts_ns.size < N
    (report,) = json.loads(stdout)["series"]
    assert report["resumed_from"] is not None
    assert min(int(query["start"]) for query in asked_again) * 10**9 == before.ts_ns[-1] + M5.ns
    assert report["n_inserted"] == N - len(QUIET) - before.ts_ns.size
    assert report["n_updated"] == 0
    async with transactions() as stores:
        bars = await stores.bars.load("BTC-USD", M5)
        no_trade = await stores.bars.load_no_trade("BTC-USD", M5)
        info = await stores.bars.series("BTC-USD", M5)
    kept = np.array([n not in QUIET for n in range(N)])
    np.testing.assert_array_equal(bars.ts_ns, SERIES.ts_ns[kept])
    np.testing.assert_array_equal(bars.values, SERIES.values[kept])
    np.testing.assert_array_equal(no_trade, SERIES.ts_ns[~kept])
    assert (info.n_bars, info.n_missing) == (N - len(QUIET), 0)
