"""Serve the application with uvicorn until it is told to stop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from marketsentry.api.app import create_app
from marketsentry.bootstrap import System
from marketsentry.services.holdings_check import HoldingsWatch
from marketsentry.services.own_costs import CostWatch
from marketsentry.services.passes import beside
from marketsentry.services.risk import record_limits
from marketsentry.services.risk_watch import RiskWatch

KEEP_ALIVE_S = 30
STOP_WITHIN_S = 5


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the caller owns the signals and sets `stop`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_api(system: System, listening: socket.socket, *, stop: asyncio.Event) -> None:
    """Answer on an open socket until `stop` is set.

    Parameters
    ----------
    system : System
        Open for as long as this runs.
    listening : socket.socket
        Where the requests arrive; see `listening.listen`.
    stop : asyncio.Event
        Set it to finish the requests under way and return.
    """
    await record_limits(system.risk)
    host, port = system.settings.api_bind
    config = uvicorn.Config(
        create_app(system),
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    server = _Server(config)
    loops = [
        system.executor.run(stop),
        system.order_watch.run(stop),
        RiskWatch(system.flatten).run(stop),
        HoldingsWatch(system.execution.admit).run(stop),
        CostWatch(system.transactions, system.clock).run(stop),
    ]
    await beside(_serve(server, listening, stop), loops, stop=stop)


async def _serve(server: _Server, listening: socket.socket, stop: asyncio.Event) -> None:
    serving = asyncio.create_task(server.serve([listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
