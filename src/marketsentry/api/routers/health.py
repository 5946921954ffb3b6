"""Liveness, readiness, health and metrics (contract section 1.1): every answer is a probe made now."""

import asyncio
import math
from contextlib import suppress
from datetime import timedelta
from functools import partial

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from marketsentry.adapters.machine import LocalMachine
from marketsentry.adapters.probes import ping_postgres, ping_redis
from marketsentry.api.deps import SystemDep
from marketsentry.api.metrics import ApiMetrics
from marketsentry.api.schemas.system import Gpu, GpuSection, HealthOut, HostMemory, LiveOut, ReadyOut
from marketsentry.bootstrap import System
from marketsentry.core.backtest.request import TRACKS
from marketsentry.core.health import GpuMemory, judge_gpu_memory, judge_host_memory
from marketsentry.exceptions import DependencyError
from marketsentry.ports.accounts import is_apart
from marketsentry.services.attribution import reject_rates
from marketsentry.services.health import Probes, probe
from marketsentry.services.risk_switch import active_switches
from marketsentry.services.status_accounts import LedgerStatus, read_account_status

RECORD_WITHIN_S = 1.0
REJECTS_OF = timedelta(hours=1)

router = APIRouter(tags=["system"])


@router.get("/health", summary="Health of the process and its dependencies")
async def read_health(system: SystemDep) -> HealthOut:
    """Probe PostgreSQL and Redis now. `degraded` when one of them does not answer within a second."""
    machine = LocalMachine()
    probes, gpus = await asyncio.gather(_probe(system), asyncio.to_thread(machine.read_gpus))
    percent = machine.host_memory_percent()
    return HealthOut(
        status="degraded" if probes.missing else "healthy",
        gpu=GpuSection(
            system=HostMemory(status=judge_host_memory(percent), percent=percent),
            gpus=[_gpu(one) for one in gpus],
        ),
        redis="connected" if probes.redis else "disconnected",
        postgres="connected" if probes.postgres else "disconnected",
        timestamp=system.clock.now(),
    )


@router.get("/health/live", summary="Is the process alive")
async def read_live() -> LiveOut:
    """Answer as long as the event loop turns; a supervisor restarts a process that does not."""
    return LiveOut()


@router.get("/health/ready", summary="Can the process work now", responses={503: {"model": ReadyOut}})
async def read_ready(system: SystemDep, response: Response) -> ReadyOut:
    """Answer 503 while PostgreSQL or Redis does not answer; a proxy sends no traffic meanwhile."""
    probes = await _probe(system)
    if probes.missing:
        response.status_code = 503
        return ReadyOut(status="not_ready", missing=probes.missing)
    return ReadyOut(status="ready", missing=[])


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def read_metrics(request: Request) -> Response:
    """Answer the exposition text of every family, present from start-up; what the record tells is read now."""
    system: System = request.app.state.system
    metrics: ApiMetrics = request.app.state.metrics
    with suppress(DependencyError, TimeoutError):  # without the record the other families still count
        async with asyncio.timeout(RECORD_WITHIN_S):
            active = await active_switches(system.transactions)
            rates = await reject_rates(
                TRACKS, window=REJECTS_OF, transactions=system.transactions, clock=system.clock
            )
            ledgers = await read_account_status(transactions=system.transactions, clock=system.clock)
        for one in ledgers:
            _tell_worth(metrics, one)
        for (track, strategy), is_active in active.items():
            metrics.kill_switch_active.labels(track, strategy).set(float(is_active))
        for track, rate in rates.items():
            metrics.reject_rate.labels(track).set(rate)
    metrics.pool_in_use.set(system.database.n_in_use)
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _tell_worth(metrics: ApiMetrics, one: LedgerStatus) -> None:
    """Tell equity and daily loss of a strategy; what plays for a test has none, and what has no price says nothing."""
    labels = (one.adapter, one.venue, one.track, one.strategy_id)
    if is_apart(one.venue):
        return
    for gauge, value in ((metrics.equity, one.equity), (metrics.daily_loss, one.daily_loss_frac)):
        gauge.labels(*labels).set(math.nan if value is None else float(value))


async def _probe(system: System) -> Probes:
    return await probe(partial(ping_postgres, system.database), partial(ping_redis, system.redis))


def _gpu(gpu: GpuMemory) -> Gpu:
    known = gpu.used_gb is not None and gpu.total_gb
    return Gpu(
        device=gpu.device,
        used_gb=gpu.used_gb,
        total_gb=gpu.total_gb,
        usage_percent=100 * (gpu.used_gb or 0.0) / (gpu.total_gb or 1.0) if known else None,
        status=judge_gpu_memory(gpu),
    )
