"""Prometheus families of the API, each registered from start-up so that a check finds it before any sample."""

from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNMATCHED = "unmatched"
_HTTP_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_SIGNAL_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.5, 1, 2)
_LEDGER = ("adapter", "venue", "track", "strategy")
_EXECUTION_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5)


class ApiMetrics:
    """One registry per application, so that two applications in one process never share a counter."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.http_requests = Counter(
            "ms_http_requests_total", "HTTP requests answered.", ("method", "path", "status"), registry=r
        )
        self.http_latency = Histogram(
            "ms_http_request_latency_seconds",
            "Time from request to end of response.",
            ("method", "path"),
            buckets=_HTTP_BUCKETS_S,
            registry=r,
        )
        self.signal_latency = Histogram(
            "ms_signal_latency_seconds",
            "Time to make a signal.",
            ("track",),
            buckets=_SIGNAL_BUCKETS_S,
            registry=r,
        )
        self.execution_latency = Histogram(
            "ms_execution_latency_seconds",
            "Time of one execution run.",
            ("adapter",),
            buckets=_EXECUTION_BUCKETS_S,
            registry=r,
        )
        self.execution_orders = Counter(
            "ms_execution_orders_total", "Orders executed.", ("adapter", "status"), registry=r
        )
        self.reject_rate = Gauge(
            "ms_execution_reject_rate",
            "Share of the orders of the last hour that were rejected.",
            ("track",),
            registry=r,
        )
        self.data_freshness = Gauge(
            "ms_data_freshness_seconds", "Age of the newest price.", ("target",), registry=r
        )
        Counter("ms_model_drift_events_total", "Drift findings.", ("track", "action"), registry=r)
        self.risk_hard_blocks = Counter(
            "ms_risk_hard_blocks_total", "Calls blocked by a hard risk rule.", ("track",), registry=r
        )
        self.kill_switch_active = Gauge(
            "ms_kill_switch_active", "1 while the switch blocks.", ("track", "strategy"), registry=r
        )
        self.equity = Gauge(
            "ms_equity", "What a strategy is worth, in the currency of its account.", _LEDGER, registry=r
        )
        self.daily_loss = Gauge(
            "ms_daily_loss_ratio", "Loss of the day over the equity at its start.", _LEDGER, registry=r
        )
        self.pool_in_use = Gauge("ms_db_pool_in_use", "Connections to PostgreSQL at work.", registry=r)


class RequestMetrics:
    """ASGI middleware that counts and times requests under the route template, never under the raw path."""

    def __init__(self, app: ASGIApp, *, metrics: ApiMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        started = perf_counter()

        async def watch_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch_status)
        finally:
            path = getattr(scope.get("route"), "path", UNMATCHED)
            method = scope["method"]
            self.metrics.http_requests.labels(method, path, str(status)).inc()
            self.metrics.http_latency.labels(method, path).observe(perf_counter() - started)
