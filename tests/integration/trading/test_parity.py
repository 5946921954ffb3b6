"""A stored backtest traded again on paper through the whole stack: equal in weights, fills and equity (design D1)."""

import json
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.api.app import create_app
from marketsentry.bootstrap import System, open_system
from marketsentry.cli.parity import document
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.synthetic import make_market
from marketsentry.ports.account_lists import Wanted
from marketsentry.settings import Settings
from recorded_hours import load_hours
from small_market import HOUR
from traded_runs import SYMBOLS, run_eagerly, trade_run_again, train_small
from verbs import ms, on_engines


@pytest.fixture
def settings(engines: Engines, database_url: str, tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {"home": tmp_path, "database_url": database_url, "redis_url": engines.redis_url}
    )


async def test_a_paper_run_equals_its_backtest_and_tells_why_it_traded(settings: Settings) -> None:
    market = make_market(seed=11, symbols=SYMBOLS, interval=HOUR, n_bars=45 * 24, signal_strength=2.0)
    async with open_system(settings) as system:
        await train_small(system, market.series)
        run_id = await run_eagerly(system, lookback_days=20, train_days=10, test_days=5)
        report = await trade_run_again(system, run_id)
        assert report.parity.n_fills > 50
        assert report.parity.is_equal, report.parity
        assert report.blocked == 0
        told = document(report)
        assert told.items() >= {"bars": report.parity.n_bars, "fills": report.parity.n_fills}.items()
        assert told.keys() >= {"max_abs_diff", "from", "to"}
        assert (told["passed"], told["strategy_id"]) == (True, report.strategy_id)
        assert 0 <= report.parity.max_abs_diff <= 1e-9
        async with system.transactions() as stores:
            wanted = Wanted(strategy_id=report.strategy_id)
            (fill,) = await stores.account_lists.fills(
                wanted, decision_id=None, order_id=None, before_id=None, limit=1
            )
            order = await stores.orders.get(fill.order_id)
            signal = await stores.signals.get(order.signal_id or 0)
            prediction = await stores.predictions.get(signal.prediction_id or 0)
        await _read_over_http(system, order.decision_id)
    assert prediction.model_id is not None
    assert prediction.feature_snapshot_id is not None
    assert prediction.decision_id == signal.decision_id == order.decision_id
    assert order.filled_qty == order.quantity > Decimal(0)


async def _read_over_http(system: System, decision_id: str) -> None:
    """What the trader stored is read back over HTTP, the audit chain of a decision whole (contract 3.7)."""
    transport = httpx.ASGITransport(create_app(system))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as api:
        for path in (
            "signals",
            "decisions",
            "execution/orders",
            "risk/events",
            "positions",
            "fills",
            "ledger",
        ):
            page = await api.get(f"/api/v2/{path}")
            assert page.status_code == 200, path
            assert page.json()["items"] or path == "risk/events", path
        audit = (await api.get(f"/api/v2/execution/audit/{decision_id}")).json()
    chain = ("signals", "orders", "positions", "fills", "predictions", "feature_snapshots", "models")
    assert {name: bool(audit[name]) for name in chain} == dict.fromkeys(chain, True)


def test_a_run_that_is_not_there_and_a_parity_of_nothing_end_with_two(
    engines: Engines, database_url: str, tmp_path: Path
) -> None:
    environment = on_engines(engines, database_url, tmp_path)
    missing = ms(environment, "parity", "99", "--replay", "--json")
    assert missing.returncode == 2
    assert json.loads(missing.stdout) == {"status": "failed", "reason": "run_not_found"}
    bare = ms(environment, "parity")
    assert (bare.returncode, "parity needs --replay" in bare.stderr) == (2, True)


@pytest.mark.realdata
async def test_recorded_hours_of_three_coins_are_traded_as_they_were_tested(
    settings: Settings, realdata: Path
) -> None:
    """90 days of recorded hours, BTC, ETH and SOL: to 1e-9."""

    def newest(name: str) -> BarSeries:
        series = load_hours(realdata, f"{name}USDT")
        rows = slice(series.ts_ns.size - 150 * 24, None)
        return BarSeries(name, HOUR, series.source, series.ts_ns[rows], series.values[rows])

    async with open_system(settings) as system:
        await train_small(system, [newest(name) for name in SYMBOLS])
        run_id = await run_eagerly(system, lookback_days=90, train_days=35, test_days=7)
        report = await trade_run_again(system, run_id)
    assert report.parity.n_bars >= 90 * 24
    assert report.parity.n_fills > 100
    assert report.parity.is_equal, report.parity
