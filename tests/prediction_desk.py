"""A system with a trained model on a synthetic market, whose clock stands, and the calls of predictions on it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from marketsentry.bootstrap import System, open_system
from marketsentry.cli.train_request import training_parts
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.ports.training import ModelSpec
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest
from marketsentry.services.synth import SynthRequest, synthesise
from marketsentry.services.train_stored import train_stored
from marketsentry.settings import Settings
from small_market import FixedClock

BASE = "http://127.0.0.1:8000"
API = "/api/v2"
HOUR = parse_interval("1h")
SYMBOLS = ("BTC", "ETH")
UNTRAINED = "SOL"  # has bars, and no model was trained on it
N_DAYS = 150
MODEL, VERSION, HORIZON = "liquid_ttm_ensemble", "v2.1", "1d"
MARKET = SynthRequest(3, (*SYMBOLS, UNTRAINED), HOUR, N_DAYS * 24, signal_strength=2.0)
END = ns_to_datetime(MARKET.stop_ns)
NOW = END + timedelta(minutes=20)
RESPONSE = {
    *("prediction_id", "track", "target", "outputs", "explanation"),
    *("source", "tradeable", "abstained", "reason"),
}
LIQUID = {
    *("expected_return", "vol_forecast", "signal_confidence", "current_price", "horizon", "as_of"),
    *("source", "tradeable", "abstained", "reason", "lineage_id", "data_version", "price_source", "price_at"),
}
VC = {"p_next_round", "p_exit_24m", "expected_moic_distribution", "as_of", "experimental"}
EXPLANATION = {
    *(
        "top_event_contributors",
        "top_feature_contributors",
        "evidence_links",
        "model_version",
        "feature_version",
    ),
    "attribution",
}
STORED = {
    *("id", "track", "target", "score", "confidence", "outputs", "created_at", "horizon", "model_id"),
    *("feature_set_id", "decision_id", "explanation", "feature_snapshot_id", "lineage_id"),
}


@dataclass
class Desk:
    """A system whose clock stands, and a client of it."""

    system: System
    clock: FixedClock
    client: httpx.AsyncClient

    async def liquid(self, symbol: str = "BTC", **asked: Any) -> dict[str, Any]:
        return await self.post("predict/liquid", symbol=symbol, **asked)

    async def vc(self, company_name: str = "Acme", **asked: Any) -> dict[str, Any]:
        return await self.post("predict/vc", company_name=company_name, **asked)

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.client.post(f"{API}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        assert document.keys() == RESPONSE
        assert document["explanation"].keys() == EXPLANATION
        return document

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.client.get(f"{API}/{path}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def ingest(self, *events: dict[str, Any]) -> list[int]:
        answer = await self.client.post(f"{API}/ingest/events", json={"events": events})
        assert answer.status_code == 200, answer.text
        ids: list[int] = answer.json()["event_ids"]
        return ids


def event(kind: str, about: str, at: datetime, title: str = "", **entity: Any) -> dict[str, Any]:
    return {
        "event_type": kind,
        "title": title or f"{kind} of {about} at {at.isoformat()}",
        "occurred_at": at.isoformat(),
        "source_url": f"https://example.org/{kind}/{at.timestamp():.0f}",
        "entities": [{"entity_type": "company", "name": about, **entity}],
    }


async def event_ids(desk: Desk, symbol: str) -> list[int]:
    told = await desk.liquid(symbol)
    return [one["event_id"] for one in told["explanation"]["top_event_contributors"]]


async def train_served(settings: Settings) -> None:
    model = ModelSpec("lightgbm_panel", {"n_trees": 12})
    async with open_system(settings) as system:
        await synthesise(MARKET, transactions=system.transactions, clock=system.clock)
        result = await train_stored(
            DatasetRequest(SYMBOLS, HOUR),
            CandidateRequest(MODEL, VERSION, HORIZON, model=model, n_folds=3),
            training_parts(system),
            on_progress=lambda step, share: None,
        )
    assert result.status == "ok"
