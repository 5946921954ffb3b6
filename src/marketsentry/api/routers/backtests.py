"""Backtests over HTTP (contract section 1.7)."""

from typing import Annotated

from fastapi import APIRouter, Path

from marketsentry.api.deps import SystemDep
from marketsentry.api.schemas.backtests import BacktestIn, BacktestOut, StoredBacktestOut
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.backtest.summary import rounded
from marketsentry.services.backtest import backtest_defaults, read_stored_run, run_backtest

MAX_ID = 2**63 - 1

router = APIRouter(prefix="/backtest", tags=["backtest"])


@router.post(
    "/run",
    summary="Replay a registered model over history",
    responses={422: {"description": "a field is out of range, or the request cannot be honoured"}},
)
async def run(body: BacktestIn, system: SystemDep) -> BacktestOut:
    """Load the named artifact, verify its hash, and score every bar with a model that had not seen it.

    The first `train_days` of the window are not traded; what follows is reported in windows of `test_days`. A run
    that cannot be made is a 200 with `status` `failed`, a reason and every metric. Nothing here changes what serves.
    """
    request = BacktestRequest(**{**body.model_dump(), "targets": tuple(body.targets)})
    stored = await run_backtest(
        request,
        transactions=system.transactions,
        artifacts=system.artifacts,
        clock=system.clock,
        defaults=backtest_defaults(system.settings),
        code_version=system.code_version,
    )
    record = stored.run
    return BacktestOut.model_validate(
        {
            "run_id": stored.id,
            "run_name": record.run_name,
            "track": record.track,
            "status": record.status,
            "metrics": rounded(record.metrics),
            "config": record.config,
        }
    )


@router.get(
    "/{run_id}",
    summary="Read a stored run",
    responses={404: {"description": "`backtest run not found`"}},
)
async def read(run_id: Annotated[int, Path(ge=1, le=MAX_ID)], system: SystemDep) -> StoredBacktestOut:
    """Answer a run with its metrics and the configuration that made it."""
    stored = await read_stored_run(run_id, transactions=system.transactions)
    record = stored.run
    return StoredBacktestOut.model_validate(
        {
            "id": stored.id,
            "run_name": record.run_name,
            "track": record.track,
            "started_at": record.started_at,
            "ended_at": record.ended_at,
            "metrics": rounded(record.metrics),
            "config": record.config,
            "created_at": stored.created_at,
        }
    )
