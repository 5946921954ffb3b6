"""What routers ask for: the open system and its parts, as FastAPI dependencies.

They are coroutines, for FastAPI runs anything else in a thread.
"""

from typing import Annotated

from fastapi import Depends, Request

from marketsentry.api.metrics import ApiMetrics
from marketsentry.bootstrap import System


async def _system(request: Request) -> System:
    system: System = request.app.state.system
    return system


SystemDep = Annotated[System, Depends(_system)]


async def _metrics(request: Request) -> ApiMetrics:
    metrics: ApiMetrics = request.app.state.metrics
    return metrics


MetricsDep = Annotated[ApiMetrics, Depends(_metrics)]
