"""What is there: stored series and their age, the newest models, the newest runs. Reads no bar."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marketsentry.core.market.records import SeriesInfo
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.ports import Clock, Transactions
from marketsentry.ports.models import RegisteredModel
from marketsentry.ports.runs import StoredRun

METRICS = ("pnl_after_cost", "max_drawdown", "sharpe", "ic")


@dataclass(frozen=True, slots=True)
class SeriesStatus:
    """One stored series; `newest_age_s` is how long ago its newest bar was known."""

    symbol: str
    interval: str
    source: str
    is_synthetic: bool
    bars: int
    lost: int
    newest_bar_at: datetime
    newest_age_s: float


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One registered version."""

    name: str
    version: str
    track: str
    state: str
    verdict: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One stored backtest; `metrics` holds the key figures, None where undefined."""

    run_id: int
    model: str
    status: str
    reason: str | None
    started_at: datetime
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """What the record holds: every series, the newest models and runs, and how many models there are."""

    series: tuple[SeriesStatus, ...]
    models: tuple[ModelStatus, ...]
    n_models: int
    runs: tuple[RunStatus, ...]


async def read_status(*, transactions: Transactions, clock: Clock, n_newest: int = 5) -> RecordStatus:
    """Read the state of the record.

    Parameters
    ----------
    transactions
        The record.
    clock
        Ages are counted from its time.
    n_newest
        So many models and runs at most.

    Returns
    -------
    RecordStatus
        Series by symbol and bar length; models and runs newest first.
    """
    now_ns = datetime_to_ns(clock.now())
    async with transactions() as stores:
        series = await stores.bars.all_series()
        models = await stores.models.list_versions()
        runs = await stores.runs.list_runs(limit=n_newest)
    return RecordStatus(
        series=tuple(_series(one, now_ns) for one in series),
        models=tuple(_model(one) for one in models[:n_newest]),
        n_models=len(models),
        runs=tuple(_run(one) for one in runs),
    )


def _series(info: SeriesInfo, now_ns: int) -> SeriesStatus:
    known_at_ns = info.last_ns + info.interval.ns
    return SeriesStatus(
        symbol=info.symbol,
        interval=str(info.interval),
        source=info.source,
        is_synthetic=info.is_synthetic,
        bars=info.n_bars,
        lost=info.n_missing,
        newest_bar_at=ns_to_datetime(info.last_ns),
        newest_age_s=round((now_ns - known_at_ns) / 1e9, 3),
    )


def _model(registered: RegisteredModel) -> ModelStatus:
    model = registered.model
    return ModelStatus(
        name=model.name,
        version=model.version,
        track=model.track,
        state=model.state,
        verdict=str(model.verdict["outcome"]),
        created_at=registered.created_at,
    )


def _run(stored: StoredRun) -> RunStatus:
    run, metrics = stored.run, stored.run.metrics
    figures: dict[str, Any] = {name: metrics[name] for name in METRICS}
    return RunStatus(
        run_id=stored.id,
        model=f"{metrics['model_name']}:{metrics['model_version']}",
        status=run.status,
        reason=metrics["reason"],
        started_at=run.started_at,
        metrics=figures,
    )
