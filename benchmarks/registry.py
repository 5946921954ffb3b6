"""Which function measures which row of the budgets. A function returns its row, and parts of it, as dictionaries."""

import importlib
from collections.abc import Callable
from typing import Any

ROWS = {
    "backtest-sma": "backtest:bench_backtest_sma",
    "backtest-core": "backtest:bench_backtest_core",
    "compile": "backtest:bench_compile",
    "sweep": "sweep:bench_sweep",
    "features-batch": "features:bench_features_batch",
    "features-step": "features:bench_features_step",
    "features-panel": "datasets:bench_features_panel",
    "train-panel": "training:bench_train_panel",
    "infer-tree": "inference:bench_infer_tree",
    "infer-tree-batch": "inference:bench_infer_tree_batch",
    "import": "record:bench_import",
    "import-again": "record:bench_import_again",
    "last-bars": "record:bench_last_bars",
    "commit": "record:bench_commit",
    "decision-latency": "trading:bench_decision_latency",
    "execution-latency": "trading:bench_execution_latency",
    "http-signal": "http_trading:bench_http_signal",
    "http-risk-check": "http_trading:bench_http_risk_check",
    "http-execution-run": "http_trading:bench_http_execution_run",
    "kill-switch": "switch:bench_kill_switch",
    "replay-live": "replay_live:bench_replay_live",
    "reconcile": "recovery:bench_reconcile",
    "flat": "flat:bench_flat",
    "http-ingest": "http_calls:bench_http_ingest",
    "help": "house:bench_help",
    "up": "house:bench_up",
    "first-result": "house:bench_first_result",
    "install-size": "house:bench_install_size",
}


def load(name: str) -> Callable[[], list[dict[str, Any]]]:
    """Import the module of a row and return its function."""
    module, function = ROWS[name].split(":")
    found: Callable[[], list[dict[str, Any]]] = getattr(
        importlib.import_module(f"benchmarks.{module}"), function
    )
    return found
