"""Training writer against serving writer on the same bars: asked is 1e-6, found is 0 (K-55, K-66)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.postgres.pipelined import sent_statements
from marketsentry.api.app import create_app
from marketsentry.bootstrap import System, open_system
from marketsentry.cli.train_request import training_parts
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import perp_of
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.ports.training import ModelSpec
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest
from marketsentry.services.predict import LiquidRequest, predict_liquid, predict_universe
from marketsentry.services.serving import ServingCache
from marketsentry.services.synth import SynthRequest, synthesise
from marketsentry.services.train_stored import train_stored
from marketsentry.settings import Settings
from small_market import FixedClock

BASE = "http://127.0.0.1:8000"
API = "/api/v2"
HOUR = parse_interval("1h")
SYMBOLS = ("BTC", "ETH", "SOL")
MARKET = SynthRequest(9, SYMBOLS, HOUR, 100 * 24, signal_strength=2.0)
END = ns_to_datetime(MARKET.stop_ns)
TOLD_AT = END - timedelta(hours=40)  # when an event came in
N_SERVED = 60


@dataclass
class Desk:
    system: System
    clock: FixedClock
    client: httpx.AsyncClient

    async def predict(self, symbol: str, at: Any) -> dict[str, Any]:
        self.clock.at = at
        answer = await self.client.post(f"{API}/predict/liquid", json={"symbol": symbol, "horizon": "1h"})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        assert told["source"] == "model", told
        return told

    async def check(self, lineage_id: str, **asked: Any) -> dict[str, Any]:
        body = {"track": "liquid", "lineage_id": lineage_id, "tolerance": 0, **asked}
        answer = await self.client.post(f"{API}/data-quality/lineage/check", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def payload(self, where: str, **given: Any) -> dict[str, Any]:
        async with self.system.database.connection() as connection:
            cursor = await connection.execute(
                f"SELECT feature_payload FROM feature_snapshots WHERE {where}",
                given,
            )
            (row,) = await cursor.fetchall()
        found: dict[str, Any] = row[0]
        return found

    def afresh(self) -> "Desk":
        """The same record, served by a program that has just started."""
        system = replace(self.system, serving_cache=ServingCache())
        transport = httpx.ASGITransport(create_app(system))
        return Desk(system, self.clock, httpx.AsyncClient(transport=transport, base_url=BASE))


@pytest.fixture(scope="module")
def trained(engines: Engines, module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(
        home=tmp_path_factory.mktemp("desk"),
        database_url=module_database_url,
        redis_url=engines.redis_url,
        served_models="1h=panel:v1",
    )
    asyncio.run(_prepare(settings))
    return settings


async def _prepare(settings: Settings) -> None:
    """Bars, funding, and an event that was told 40 hours before the end; then a training on all of it."""
    async with open_system(settings) as opened:
        system = replace(opened, clock=FixedClock(TOLD_AT))
        await synthesise(MARKET, transactions=system.transactions, clock=opened.clock)
        transport = httpx.ASGITransport(create_app(system))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            answer = await client.post(
                f"{API}/ingest/events", json={"events": [news(TOLD_AT - timedelta(hours=2))]}
            )
            assert answer.json()["inserted"] == 1
        result = await train_stored(
            DatasetRequest(SYMBOLS, HOUR),
            CandidateRequest(
                "panel", "v1", "1h", model=ModelSpec("lightgbm_panel", {"n_trees": 8}), n_folds=3
            ),
            training_parts(opened),
            on_progress=lambda step, share: None,
        )
    assert result.status == "ok"


def news(at: Any) -> dict[str, Any]:
    return {
        "event_type": "regulatory",
        "title": f"Regulator speaks at {at.isoformat()}",
        "occurred_at": at.isoformat(),
        "source_tier": 1,
        "entities": [{"entity_type": "asset", "name": "Bitcoin", "symbol": "BTC"}],
    }


@pytest.fixture
async def desk(trained: Settings) -> AsyncIterator[Desk]:
    clock = FixedClock(END)
    async with open_system(trained) as opened:
        system = replace(opened, clock=clock, serving_cache=ServingCache())
        transport = httpx.ASGITransport(create_app(system))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Desk(system, clock, client)


async def test_every_bar_is_served_with_the_features_it_was_trained_on(desk: Desk) -> None:
    """K-55: event text in, decay features out, within knowledge time, and not one bit of difference."""
    lineages = []
    for n in reversed(range(N_SERVED)):
        at = END - n * timedelta(hours=1)
        told = await desk.predict("BTC", at)
        assert told["outputs"]["bar_end"] == at.isoformat().replace("+00:00", "Z")
        lineages.append(told["outputs"]["lineage_id"])
        served = await desk.payload("lineage_id = %(id)s", id=lineages[-1])
        trained = await desk.payload(
            "lineage_id LIKE 'train-%%' AND target = 'BTC' AND event_time = %(at)s", at=at
        )
        assert served == trained
        assert served["funding_rate"] is not None
        if at >= TOLD_AT:
            hours = (at - TOLD_AT).total_seconds() / 3600 + 2
            assert served["event_decay"] >= np.exp(-hours / 12) > 0
    for lineage_id in (lineages[0], lineages[-1]):
        found = await desk.check(lineage_id)
        assert (found["passed"], found["reason"], found["max_abs_diff"]) == (True, "ok", 0)
    async with desk.system.transactions() as stores:
        lineage = await stores.datasets.newest_lineage("BTC", "liquid", "v1", "1h")
    assert lineage is not None
    found = await desk.check(lineage, target="BTC")
    assert (found["passed"], found["compared_snapshots"], found["max_abs_diff"]) == (True, 2 * N_SERVED, 0)


async def test_a_program_that_has_just_started_serves_the_same(desk: Desk) -> None:
    for n in (5, 3, 0):
        running = await desk.predict("ETH", END - timedelta(hours=n))
    started = await desk.afresh().predict("ETH", END)
    assert started["outputs"] == running["outputs"]
    assert started["explanation"] == running["explanation"]


async def test_the_future_moves_nothing(desk: Desk) -> None:
    cut = END - timedelta(hours=12)
    before = await desk.predict("SOL", cut)
    async with desk.system.transactions() as stores:
        kept = {symbol: await stores.bars.last_bars(symbol, HOUR, 12) for symbol in SYMBOLS}
        for series in kept.values():
            changed = series.values.copy()
            changed[:, :4] *= 1.5
            await stores.bars.merge(BarSeries(series.symbol, HOUR, series.source, series.ts_ns, changed))
    desk.clock.at = cut + timedelta(minutes=1)
    told = {**news(cut), "entities": [{"entity_type": "asset", "name": "Solana", "symbol": "SOL"}]}
    assert (await desk.client.post(f"{API}/ingest/events", json={"events": [told]})).status_code == 200
    for again in (desk, desk.afresh()):
        after = await again.predict("SOL", cut)
        assert after["outputs"] == before["outputs"]
        assert after["explanation"] == before["explanation"]
    moved = await desk.predict("SOL", END)
    async with desk.system.transactions() as stores:
        for series in kept.values():
            await stores.bars.merge(series)
    assert (await desk.predict("SOL", END))["outputs"] != moved["outputs"]


async def test_a_lost_input_makes_it_abstain(desk: Desk) -> None:
    """K-64: the model was trained with funding on nearly every row; without it it does not guess."""
    at = END - timedelta(hours=2)
    gone = "symbol = 'BTC-PERP' AND ts > %(since)s"
    since = {"since": at - timedelta(hours=25)}
    async with desk.system.database.connection() as connection:
        await connection.execute("CREATE TABLE kept (LIKE funding_rates)")
        await connection.execute(
            f"INSERT INTO kept SELECT * FROM funding_rates WHERE {gone}",
            since,
        )
        await connection.execute(f"DELETE FROM funding_rates WHERE {gone}", since)
    told = await desk.predict("BTC", at)
    assert (told["abstained"], told["reason"]) == (True, "missing_features")
    assert "funding_rate" in told["outputs"]["reason_detail"]
    assert told["outputs"]["expected_return"] is None
    assert not (await desk.predict("ETH", at))["abstained"]
    async with desk.system.database.connection() as connection:
        await connection.execute("INSERT INTO funding_rates SELECT * FROM kept")
        await connection.execute("DROP TABLE kept")
    assert not (await desk.predict("BTC", at))["abstained"]


async def test_a_corrected_bar_is_served_corrected(desk: Desk) -> None:
    """A stream that has read the old value must notice."""
    at = END - timedelta(hours=1)
    before = await desk.predict("BTC", at)
    async with desk.system.transactions() as stores:
        old = await stores.bars.last_bars("BTC", HOUR, 40)
        values = old.values.copy()
        values[5, 4] *= 3
        await stores.bars.merge(BarSeries("BTC", HOUR, old.source, old.ts_ns, values))
    corrected = await desk.predict("BTC", at + timedelta(seconds=1))
    assert corrected["outputs"]["bar_end"] == before["outputs"]["bar_end"]
    found = await desk.check(corrected["outputs"]["lineage_id"])
    assert (found["passed"], found["reason"]) == (False, "payload_mismatch")
    assert "signed_volume_24" not in found["mismatch_keys"]  # 34 bars back is beyond its window
    assert "volume_z_48" in found["mismatch_keys"]
    async with desk.system.transactions() as stores:
        await stores.bars.merge(old)
    restored = await desk.predict("BTC", at + timedelta(seconds=2))
    assert (await desk.check(restored["outputs"]["lineage_id"]))["max_abs_diff"] == 0


async def test_a_universe_costs_two_reads_and_one_write(desk: Desk) -> None:
    """It was 23 statements for three symbols, each waited for."""
    for n in (4, 3):  # the first call steps over the history
        desk.clock.at = END - n * timedelta(hours=1)
        await predict_universe(SYMBOLS, "1h", desk.system.serving)
    for n in (2, 1):
        desk.clock.at = END - n * timedelta(hours=1)
        with sent_statements() as sent:
            served = await predict_universe(SYMBOLS, "1h", desk.system.serving)
        assert [one.stored.source for one in served.values()] == ["model"] * 3
        assert len(sent) <= 3, sent  # two reads, one write


async def test_inputs_that_differ_within_a_bar_are_not_taken_for_those_of_before(desk: Desk) -> None:
    """A stream that is given the same again does not step over it again."""
    at, newest = END - timedelta(minutes=30), "symbol = %(perp)s AND ts = %(ts)s"
    rates = []
    for n, factor in enumerate((1.0, 1.0, 2.0, 0.5)):
        async with desk.system.database.connection() as connection:
            given = {"perp": perp_of("BTC"), "ts": END - timedelta(hours=8), "factor": factor}
            changed = await connection.execute(
                f"UPDATE funding_rates SET funding_rate = funding_rate * %(factor)s WHERE {newest}", given
            )
            assert changed.rowcount == 1
        told = await desk.predict("BTC", at + n * timedelta(minutes=1))
        row = await desk.payload("lineage_id = %(lineage)s", lineage=told["outputs"]["lineage_id"])
        rates.append(row["funding_rate"])
    assert rates == [rates[0], rates[0], 2 * rates[0], rates[0]]
    assert rates[0]


async def test_symbols_told_together_are_told_as_each_alone(desk: Desk) -> None:
    desk.clock.at = END - timedelta(hours=1)
    together = await predict_universe(SYMBOLS, "1h", desk.system.serving)
    for symbol, served in together.items():
        alone = await predict_liquid(LiquidRequest(symbol, "1h"), desk.system.serving)
        told, expected = served.stored, alone.stored
        assert (told.source, told.outputs, told.explanation) == (
            "model",
            expected.outputs,
            expected.explanation,
        )
        assert told.feature_snapshot_id == expected.feature_snapshot_id, (
            "equal snapshots of a second are shared"
        )
