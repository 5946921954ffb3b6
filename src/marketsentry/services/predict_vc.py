"""Estimate companies by their events: experimental, never tradeable, stored like every prediction (K-68)."""

from dataclasses import dataclass, replace

from marketsentry.core.market.timestamps import datetime_to_ns, utc_text
from marketsentry.core.serving.answer import Reason, Why
from marketsentry.core.serving.cold_start import VC_FEATURE_VERSION, vc_cold_start
from marketsentry.core.serving.lineage_name import infer_lineage_id
from marketsentry.ports.predictions import ContextQuery, PredictionRecord
from marketsentry.services.predict import Served, ServingParts

CONTEXT_EVENTS = 8


@dataclass(frozen=True, slots=True)
class VcRequest:
    """A company as it is written, and 6, 12 or 24 months.

    An entity of which another country or sector is known is not the company asked for: its events do not count.
    """

    company_name: str
    horizon_months: int = 12
    country: str | None = None
    sector: str | None = None


async def predict_vc(request: VcRequest, parts: ServingParts) -> Served:
    """Estimate the next round and the exit of a company: experimental, never tradeable (K-68).

    Parameters
    ----------
    request
        What to estimate.
    parts
        Ports and rules.

    Returns
    -------
    Served
    """
    now = parts.clock.now()
    as_of_ns = datetime_to_ns(now)
    name = request.company_name
    query = ContextQuery((name,), (name,), as_of_ns, request.country, request.sector)
    async with parts.transactions() as stores:
        events = await stores.predictions.context_events(query, limit=CONTEXT_EVENTS)
        why = Why(
            Reason.EXPERIMENTAL_TRACK,
            "there are no recorded outcomes to train a venture model on: this counts events, and is no forecast",
        )
        answer = vc_cold_start(events, request.horizon_months, as_of_ns=as_of_ns, why=why)
        lineage_id = infer_lineage_id(now, "vc", name)
        outputs = {
            **answer.outputs,
            "as_of": utc_text(as_of_ns),
            "horizon_months": request.horizon_months,
            "country": request.country,
            "sector": request.sector,
            "n_events": len(events),
            "lineage_id": lineage_id,
            "data_version": parts.rules.data_version,
        }
        record = PredictionRecord(
            track="vc",
            target=name,
            horizon=f"{request.horizon_months}m",
            answer=replace(answer, outputs=outputs),
            feature_set_id=VC_FEATURE_VERSION,
            lineage_id=lineage_id,
        )
        stored = await stores.serving.add([record])
        return Served(stored[name], None)
