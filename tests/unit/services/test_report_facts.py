from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.stored import pack_run, read_run
from marketsentry.core.backtest.summary import Window, empty_metrics, summarise
from marketsentry.core.gates.backtest import judge_windows
from marketsentry.core.gates.verdict import Outcome, at_least, at_most, decide
from marketsentry.core.market.bars import BarSeries, align_panel
from marketsentry.core.market.interval import parse_interval
from marketsentry.ports.models import ModelVersion, RegisteredModel
from marketsentry.ports.runs import RunRecord, StoredRun
from marketsentry.services.candidate import TrainingResult
from marketsentry.services.report_facts import candidate_of_model, candidate_of_training, run_facts

HOUR = parse_interval("1h")
START_NS = 1_704_067_200_000_000_000  # 2024-01-01T00:00Z
AT = datetime(2026, 1, 2, tzinfo=UTC)
N_BARS, FIRST = 900, 240
LEAK = {
    "feature": "peek",
    "symbol": "BTC",
    "bar_ts_ns": START_NS,
    "value_with_future": 0.5,
    "value_without_future": None,
}


def make_panel():
    rng = np.random.default_rng(3)
    series = []
    for symbol in ("BTC", "ETH"):
        close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, N_BARS)))
        opened = np.concatenate(([100.0], close[:-1]))
        high, low = np.maximum(opened, close), np.minimum(opened, close)
        values = np.stack([opened, high, low, close, np.full(N_BARS, 1e6)], axis=1)
        ts_ns = START_NS + np.arange(N_BARS, dtype=np.int64) * HOUR.ns
        series.append(BarSeries(symbol, HOUR, "synthetic", ts_ns, values))
    return align_panel(series)


@pytest.fixture(scope="module")
def completed():
    """A stored run as the backtest writes it, with its files."""
    panel = make_panel()
    predictions = np.random.default_rng(5).normal(0, 0.01, (N_BARS, 2))
    predictions[:FIRST] = np.nan
    params = params_for(HOUR, 4)
    result = replay(predictions, panel, params)
    windows = [Window(0, FIRST, 570), Window(1, 570, N_BARS)]
    metrics = summarise(result, predictions, panel, windows=windows, traded_from=FIRST)
    metrics["gate"] = judge_windows(metrics["folds"]).document()
    config = {
        "interval": "1h",
        "window": {"traded_from": "2024-01-11T00:00:00Z"},
        "sources": {"BTC": "synthetic", "ETH": "synthetic"},
        "replay": params.document(),
    }
    document = {"symbols": ["BTC", "ETH"], "parts": {"bars": "b" * 64, "code": "c" * 64}}
    wire = {"status": "completed", "reason": None, "targets": ["BTC", "ETH"], **metrics}
    run = RunRecord(
        "liquid-wf-1", "liquid", 1, "completed", AT, AT, wire, config, "f" * 64, "somewhere", "a" * 64
    )
    return StoredRun(17, AT, run), read_run(pack_run(document, result, predictions))


def make_model():
    """A version judged on two folds of 300 bars and a last block of 120 bars."""
    checks = (at_most("leaks", 1, 0, "peek of BTC"), at_least("n_folds", 2, 5))
    verdict = decide("candidate", checks, floors=frozenset({"n_folds"}), proofs=frozenset({"leaks"}))
    folds = [
        {
            "index": k,
            "start_ns": START_NS + start * HOUR.ns,
            "end_ns": START_NS + (start + 299) * HOUR.ns,
            "samples": 600,
            "ic": 0.01,
            "rank_ic": None,
            "pnl_after_cost": 0.02,
        }
        for k, start in ((0, 100), (1, 400))
    ]
    manifest = {
        "seed": 7,
        "feature_schema_hash": "d" * 64,
        "recipe": {
            "folds": [{"test": [100, 400]}, {"test": [400, 700]}],
            "final": {"train": [0, 690], "test": [700, 820]},
        },
    }
    metrics = {
        "folds": folds,
        "final": {"samples": 240, "ic": 0.03, "pnl_after_cost": 0.01},
        "train_rows": [90, 390, 690],
        "leaks": [LEAK],
    }
    model = ModelVersion(
        "panel",
        "liquid",
        "v1",
        "refused",
        "somewhere",
        "e" * 64,
        metrics,
        manifest,
        verdict.document(),
        "t",
        "c",
        None,
    )
    return RegisteredModel(1, AT, model)


def test_a_run_is_told_from_its_record_and_its_files(completed):
    stored, files = completed
    facts = run_facts(stored, files, make_model())
    assert facts.is_synthetic
    assert facts.symbols == ("BTC", "ETH")
    assert facts.replay_command == "ms replay 17"
    assert facts.metrics["pnl_after_cost"] == stored.run.metrics["pnl_after_cost"]
    assert facts.curve.equity_quote[0] == facts.capital_quote == 100_000.0
    assert facts.curve.n_bars == N_BARS - FIRST + 1
    assert facts.curve.ts_ns[-1] == START_NS + N_BARS * HOUR.ns
    assert facts.curve.equity_quote[-1] / facts.capital_quote - 1 == pytest.approx(
        facts.metrics["pnl_after_cost"]
    )
    assert facts.lineage["bars"] == "b" * 64
    assert facts.lineage["seed"] == "7"
    assert facts.lineage["dataset"] is None


def test_costs_lead_from_gross_to_net(completed):
    stored, files = completed
    costs = run_facts(stored, files, None).costs
    paid = costs.fee_quote + costs.slippage_quote + costs.impact_quote + costs.funding_quote
    assert paid > 0
    assert costs.gross_quote - paid == pytest.approx(costs.net_quote)
    assert costs.net_quote == pytest.approx(files.equity[-1] - 100_000.0)


def test_symbols_add_up_to_the_account(completed):
    stored, files = completed
    facts = run_facts(stored, files, None)
    assert sum(s.pnl_quote for s in facts.per_symbol) == pytest.approx(facts.costs.net_quote)
    total = sum(s.pnl_curve_quote for s in facts.per_symbol)
    np.testing.assert_allclose(total, facts.curve.equity_quote - 100_000.0, atol=1e-6)


def test_folds_are_the_models_and_bands_are_what_the_account_earned_in_them(completed):
    stored, files = completed
    facts = run_facts(stored, files, make_model())
    assert [f.is_final for f in facts.folds] == [False, False, True]
    assert [f.n_train for f in facts.folds] == [90, 390, 690]
    assert facts.folds[2].test_start_ns == START_NS + 700 * HOUR.ns
    assert facts.folds[2].test_end_ns == START_NS + 820 * HOUR.ns
    assert [len(facts.windows), facts.windows[1].index] == [2, 1]
    first, second, final = facts.bands
    assert first.test_start_ns == facts.curve.ts_ns[0]
    equity = dict(zip(facts.curve.ts_ns.tolist(), facts.curve.equity_quote.tolist(), strict=True))
    at_400, at_700 = equity[START_NS + 400 * HOUR.ns], equity[START_NS + 700 * HOUR.ns]
    assert second.pnl_frac == pytest.approx(at_700 / at_400 - 1)
    assert second.ic == 0.01
    assert final.is_final


def test_symbols_stand_in_the_order_of_the_request(completed):
    stored, files = completed
    metrics = {**stored.run.metrics, "targets": ["ETH", "BTC"]}
    facts = run_facts(replace(stored, run=replace(stored.run, metrics=metrics)), files, None)
    assert [s.symbol for s in facts.per_symbol] == ["ETH", "BTC"]


def test_a_failed_run_keeps_its_reason_and_invents_nothing(completed):
    stored, _ = completed
    metrics = {
        "reason": "insufficient_prices",
        "detail": "BTC had 2 prices",
        "targets": ["BTC"],
        **empty_metrics(),
        "per_target": {
            "BTC": {"status": "failed", "reason": "insufficient_prices", "detail": "BTC had 2 prices"}
        },
    }
    run = replace(
        stored.run, status="failed", metrics=metrics, config={"targets": ["BTC"]}, content_hash=None
    )
    facts = run_facts(replace(stored, run=run), None, None)
    assert (facts.status, facts.reason, facts.detail) == ("failed", "insufficient_prices", "BTC had 2 prices")
    assert facts.curve.n_bars == 0
    assert facts.costs is None
    assert facts.metrics["ic"] is None
    assert facts.per_symbol[0].refusal == "insufficient_prices"
    assert facts.per_symbol[0].pnl_quote is None


def test_a_candidate_keeps_checks_floors_and_leaks():
    facts = candidate_of_model(make_model().model)
    assert facts.outcome is Outcome.FAIL
    assert [c.name for c in facts.checks] == ["leaks", "n_folds"]
    assert "n_folds" in facts.floors
    assert facts.leaks[0].feature == "peek"
    assert facts.leaks[0].value_without_future is None


def test_a_blocked_training_has_the_codes_of_the_gate():
    rows = (
        {
            "symbol": "BTC",
            "status": "blocked_by_data_quality",
            "reason": "missing_rate_exceeded,stale_ratio_exceeded",
        },
        {"symbol": "ETH", "status": "blocked_by_data_quality", "reason": "missing_rate_exceeded"},
    )
    facts = candidate_of_training(TrainingResult("blocked_by_data_quality", "panel", "v1", "liquid", rows))
    assert facts.outcome is Outcome.FAIL
    assert facts.reasons == ("blocked_by_data_quality", "missing_rate_exceeded", "stale_ratio_exceeded")
