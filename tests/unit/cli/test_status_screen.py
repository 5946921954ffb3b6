"""The status as a person sees it."""

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from marketsentry.adapters.embedded import Owner
from marketsentry.cli.status_screen import print_status
from marketsentry.ports.feeds import FeedMode, FeedState
from marketsentry.services.status import ModelStatus, RunStatus, SeriesStatus

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def document(**changes: Any) -> dict[str, Any]:
    engines = {"owner": None, "started_for_this_answer": [], "postgres": "connected", "redis": "connected"}
    return {
        "home": "/data/ms",
        "engines": engines,
        "schema": {"revision": "0004", "head": "0004"},
        "api": {"address": "http://127.0.0.1:8000", "state": "ready"},
        "series": (),
        "models": (),
        "n_models": 0,
        "runs": (),
        "disk": {"bytes": 3 << 20, "parts": {"postgres": 3 << 20, "run": 0}},
    } | changes


def shown(**changes: Any) -> str:
    out = io.StringIO()
    print_status(document(**changes), Console(file=out, width=80, highlight=False))
    assert max(map(len, out.getvalue().splitlines())) <= 80
    return out.getvalue()


def test_an_empty_home_says_what_to_do_first() -> None:
    text = shown()
    assert all(verb in text for verb in ("ms data import", "ms train", "ms backtest run"))
    assert "3.0 MiB in all, postgres 3.0" in text


def test_the_owner_and_the_engines_are_named() -> None:
    owner = Owner(17, "ms up", "2026-03-04T05:06:07+00:00")
    engines = {
        "owner": owner,
        "started_for_this_answer": ["redis"],
        "postgres": "disconnected",
        "redis": "connected",
    }
    text = shown(engines=engines)
    assert "process 17 since 2026-03-04T05:06:07+00:00: ms up" in text
    assert "postgres  disconnected" in text
    assert "redis     connected (started for this answer)" in text


def test_a_feed_says_where_bars_come_from_and_why_it_polls() -> None:
    symbols = tuple(f"COIN{n}" for n in range(20))
    stream = FeedState("bitget", symbols, "5m", FeedMode.STREAM, AT, heard_at=AT, n_backfills=1_234)
    polls = FeedState("coinbase", ("BTC",), "1h", FeedMode.POLLING, AT, reason="it broke " * 12)
    text = shown(feeds=[stream, polls])
    assert "feed      stream bitget 5m since 2026-03-04 05:06Z" in text
    assert "heard 05:06:00Z, 0 interruptions, 1,234 back-fills" in text
    assert "feed      polling coinbase 1h" in text
    assert "nothing heard" in text
    assert text.count("broke") == 12


def test_another_schema_is_said() -> None:
    assert "revision 0003, and this program knows 0004" in shown(schema={"revision": "0003", "head": "0004"})


def test_series_models_and_runs_fit_80_columns() -> None:
    series = SeriesStatus("BTC-PERP", "15m", "synthetic", True, 1_234_567, 89, AT, 3 * 86_400.0)
    model = ModelStatus("liquid_ttm_ensemble", "v1-12345678", "liquid", "refused", "fail", AT)
    figures = {"pnl_after_cost": 0.1, "max_drawdown": 0.05, "sharpe": None, "ic": None}
    failed = dict.fromkeys(figures)
    runs = (
        RunStatus(2, "liquid_ttm_ensemble:v1-12345678", "completed", None, AT, figures),
        RunStatus(1, "gone:v9", "failed", "model_artifact_missing", AT, failed),
    )
    text = shown(series=(series,), models=(model,), n_models=9, runs=runs)
    assert "synthetic*" in text
    assert "3 d" in text
    assert "and 8 older: ms model list" in text
    assert "+10.00%" in text
    assert "model_artifact_missing" in text
