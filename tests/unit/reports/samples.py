"""Reports computed from a seeded random walk, for the tests of the rendering."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from marketsentry.core.gates.backtest import judge_windows
from marketsentry.core.gates.verdict import Outcome, at_least, at_most, more_than
from marketsentry.reports.charts import drawdown_frac
from marketsentry.reports.facts import (
    CandidateFacts,
    CostFacts,
    EquityCurve,
    FoldFacts,
    LeakFacts,
    Report,
    RunFacts,
    SymbolFacts,
)

HOUR_NS = 3_600_000_000_000
START_NS = 1_609_459_200_000_000_000  # 2021-01-01T00:00Z


def random_walk(n_bars: int, seed: int = 7) -> EquityCurve:
    """Equity from 100,000 with small normal returns, one value an hour."""
    returns = np.random.default_rng(seed).normal(0.0, 0.004, n_bars)
    equity = 100_000.0 * np.exp(np.cumsum(returns))
    return EquityCurve(START_NS + np.arange(n_bars, dtype=np.int64) * HOUR_NS, equity)


def sample_run(n_bars: int = 2_000, n_folds: int = 5) -> RunFacts:
    """A completed run over two symbols that split the profit in halves."""
    curve = random_walk(n_bars)
    pnl = curve.equity_quote - 100_000.0
    edges = np.linspace(0, n_bars - 1, n_folds + 1).astype(int)
    folds = tuple(
        FoldFacts(
            index=i,
            test_start_ns=int(curve.ts_ns[a]),
            test_end_ns=int(curve.ts_ns[b]),
            n_train=1_000 * (i + 1),
            n_test=int(b - a),
            ic=0.01 * i,
            rank_ic=None,
            pnl_frac=float(curve.equity_quote[b] / curve.equity_quote[a] - 1.0),
            is_final=i == n_folds - 1,
        )
        for i, (a, b) in enumerate(pairwise(edges))
    )
    symbols = tuple(
        SymbolFacts(name, "synthetic", float(pnl[-1] / 2), 120.5, 40, 12.0, 0.3, 0.02, 0.51, pnl / 2)
        for name in ("BTC", "ETH")
    )
    return RunFacts(
        run_id="17",
        run_name="liquid-wf-20260101000000",
        status="completed",
        reason=None,
        symbols=("BTC", "ETH"),
        interval="1h",
        sources=("synthetic",),
        is_synthetic=True,
        capital_quote=100_000.0,
        curve=curve,
        metrics={
            "pnl_after_cost": float(pnl[-1] / 100_000.0),
            "max_drawdown": float(np.nanmax(drawdown_frac(curve.equity_quote))),
            "sharpe": 1.25,
            "ic": 0.0213,
            "hit_rate": 0.513,
            "trades": 80,
            "samples": 4_000,
            "periods_per_year": 8_760,
        },
        costs=CostFacts(float(pnl[-1] + 241.0), 120.0, 80.0, 41.0, float(pnl[-1])),
        replay_command="ms replay 17",
        ended_at_ns=START_NS,
        folds=folds,
        bands=folds,
        windows=folds[:2],
        gate=judge_windows(
            [{"index": k, "ic": 0.01, "pnl_after_cost": 0.02, "max_drawdown": 0.3} for k in (0, 1)]
        ),
        per_symbol=symbols,
        assumptions={"fee_bps": 5.0, "max_single_weight": 0.2, "horizon": "1d", "vol_target_frac": None},
        lineage={"bars": "9b1c" * 16, "code": "1c2d" * 16, "model": None},
    )


def accepted() -> CandidateFacts:
    """A candidate that met every limit."""
    checks = (at_most("leaks", 0, 0), at_least("n_folds", 5, 5), more_than("ic", 0.0213, 0.0))
    return CandidateFacts("liquid_panel", "v1", Outcome.PASS, checks)


def refused() -> CandidateFacts:
    """A candidate that reads the future, with too few folds and a ratio that is not defined."""
    checks = (at_most("leaks", 1, 0), at_least("n_folds", 3, 5), at_least("sharpe", None, 0.5))
    leak = LeakFacts("next_bar_return", "BTC", START_NS + 600 * HOUR_NS, 0.0123, -0.0456)
    return CandidateFacts("liquid_peeking", "v2", Outcome.FAIL, checks, (), (leak,), frozenset({"n_folds"}))


def blocked() -> CandidateFacts:
    """A candidate that was never trained because its data were not good enough."""
    reasons = ("blocked_by_data_quality", "missing_rate_exceeded")
    return CandidateFacts("liquid_gapped", "v1", Outcome.FAIL, (), reasons)


def sample_report(run: RunFacts | None = None) -> Report:
    """The report of an accepted candidate beside two refused ones."""
    return Report("0.1.0", run or sample_run(), accepted(), (refused(), blocked()))


def with_curve(run: RunFacts, curve: EquityCurve) -> RunFacts:
    """The same run over another curve, without the parts that hang on the old one."""
    return replace(run, curve=curve, folds=(), bands=(), windows=(), per_symbol=())
