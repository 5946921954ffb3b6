"""The gate evaluation of one backtest: its newest test windows, each judged on its own (contract 1.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketsentry.core.gates.verdict import GateVerdict, at_least, at_most, decide

GATE = "backtest"
FLOORS = frozenset({"n_windows"})


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """What each of the newest `n_windows` must show."""

    n_windows: int = 3
    min_ic: float = 0.0
    min_pnl_after_cost_frac: float = 0.0
    max_drawdown_frac: float = 0.2


def judge_windows(windows: Sequence[Mapping[str, Any]], limits: WindowLimits | None = None) -> GateVerdict:
    """Judge the newest windows of a run.

    Parameters
    ----------
    windows
        Metrics of each window, oldest first, as `summarise` gives them under `folds`.
    limits
        The contract's when left out.

    Returns
    -------
    GateVerdict
        `insufficient_observation` with too few windows; a value that could not be measured does not pass.
    """
    limits = limits or WindowLimits()
    newest = windows[-limits.n_windows :]
    checks = [at_least("n_windows", len(newest), limits.n_windows)]
    for window in newest:
        k = window["index"]
        checks += [
            at_least(f"ic[{k}]", window["ic"], limits.min_ic),
            at_least(f"pnl_after_cost[{k}]", window["pnl_after_cost"], limits.min_pnl_after_cost_frac),
            at_most(f"max_drawdown[{k}]", window["max_drawdown"], limits.max_drawdown_frac),
        ]
    return decide(GATE, tuple(checks), floors=FLOORS, proofs=frozenset())
