"""The HTTP application: routers, error handlers and middleware put together over an open system."""

from fastapi import FastAPI

from marketsentry import __version__
from marketsentry.api.body_limit import BodyLimit
from marketsentry.api.errors import install_error_handlers
from marketsentry.api.going_down import GoingDown
from marketsentry.api.guard import LoopbackGuard
from marketsentry.api.metrics import ApiMetrics, RequestMetrics
from marketsentry.api.rate_limit import RateLimit
from marketsentry.api.request_id import RequestId
from marketsentry.api.routers import (
    accounts,
    backtests,
    data_quality,
    events,
    execution,
    frozen,
    health,
    metrics_pnl,
    portfolio,
    predictions,
    risk,
    signals,
)
from marketsentry.bootstrap import System

PREFIX = "/api/v2"
DESCRIPTION = """
A self-hosted control plane for crypto quant trading.

* Times are UTC: requests take ISO-8601 with an offset (none means UTC), responses end in `Z`.
* Ratios are fractions (0.03 is 3 %), costs are basis points, numbers are finite: NaN is refused.
* A domain failure (a backtest that cannot run, a gate that does not pass) is a 200 with its reason in the body.
* A prediction says whether a model answered, and whether it may trade; an abstention has a reason and no numbers.
* Every response carries `X-Request-ID`; quote it when something went wrong, the log has the same id.
"""


def create_app(system: System) -> FastAPI:
    """Build the application. The system stays owned by the caller: the app opens and closes nothing."""
    app = FastAPI(
        title="MarketSentry",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=f"{PREFIX}/docs",
        redoc_url=None,
        openapi_tags=[
            {"name": "system", "description": "Is it alive, is it ready, what does it measure."},
            {"name": "events", "description": "What happened, and to whom."},
            {
                "name": "predictions",
                "description": "What the registered model expects, what it is made of, or why nobody answers.",
            },
            {
                "name": "signals",
                "description": "What a prediction is taken to mean: buy, sell, or hold with the reason.",
            },
            {
                "name": "portfolio",
                "description": "From signals to a book within every limit, and the orders that lead to it.",
            },
            {
                "name": "risk",
                "description": "Limits, checks, and the kill switch that stops openings; closing always works.",
            },
            {"name": "execution", "description": "Orders, their execution, and why they were made."},
            {
                "name": "data quality",
                "description": "Review of events; training against serving features.",
            },
            {
                "name": "backtest",
                "description": "Replay a registered model over history, walk-forward, after costs.",
            },
            {
                "name": "accounts",
                "description": "What strategies hold, what moved it, what it was worth, and why.",
            },
            {"name": "frozen", "description": "The retired v1 interface: every path answers 410."},
        ],
    )
    metrics = ApiMetrics()
    app.state.system = system
    app.state.metrics = metrics
    install_error_handlers(app)
    for hot in (risk.router, signals.router, execution.router):  # routers are asked in this order
        app.include_router(hot, prefix=PREFIX)
    app.include_router(health.router)
    app.include_router(frozen.router)
    app.include_router(events.router, prefix=PREFIX)
    app.include_router(predictions.router, prefix=PREFIX)
    app.include_router(portfolio.router, prefix=PREFIX)
    app.include_router(data_quality.router, prefix=PREFIX)
    app.include_router(backtests.router, prefix=PREFIX)
    app.include_router(accounts.router, prefix=PREFIX)
    app.include_router(metrics_pnl.router, prefix=PREFIX)
    app.add_middleware(BodyLimit, max_bytes=system.settings.max_body_bytes)
    app.add_middleware(RateLimit, per_second=system.settings.rate_limit_rps)
    app.add_middleware(LoopbackGuard, port=system.settings.api_bind[1])
    app.add_middleware(RequestMetrics, metrics=metrics)
    app.add_middleware(GoingDown)
    app.add_middleware(RequestId)
    return app
