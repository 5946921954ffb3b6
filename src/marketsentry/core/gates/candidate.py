"""The first verdict on a candidate: does it see the future, and does what is left earn anything after cost?

Every value is out of sample: predictions of purged walk-forward folds for the walk-forward checks, and of
the untouched last block for the final ones. The model judged on the last block is the one that serves, byte
for byte.
"""

from dataclasses import dataclass

from marketsentry.core.gates.leak import LeakEvidence, MeasuredIc, leak_checks
from marketsentry.core.gates.verdict import GateVerdict, at_least, at_most, decide, more_than

GATE = "candidate"
FLOORS = frozenset({"n_folds", "n_samples", "n_independent_samples"})
PROOFS = frozenset({"leaks", "canary_caught", "batch_equals_stream", "warmup_violations", "ic_plausible"})


@dataclass(frozen=True, slots=True)
class CandidateLimits:
    """What a candidate must show.

    `min_samples` counts predictions with a known outcome; `min_independent_samples` counts non-overlapping
    label windows (bars over horizon), since neighbouring labels of a long horizon are nearly one
    observation.
    """

    min_folds: int = 5
    min_samples: int = 1_000
    min_independent_samples: int = 100
    min_ic: float = 0.0
    min_pnl_after_cost_frac: float = 0.0
    max_drawdown_frac: float = 0.2
    min_sharpe: float = 0.5
    max_plausible_ic: float = 0.3


@dataclass(frozen=True, slots=True)
class Performance:
    """What one stretch of out-of-sample predictions showed; None where it is undefined."""

    ic: float | None
    pnl_after_cost_frac: float | None
    max_drawdown_frac: float | None
    sharpe: float | None


@dataclass(frozen=True, slots=True)
class CandidateEvidence:
    """All that the gate looks at. `walk_forward` covers the folds, `final` the untouched last block."""

    leak: LeakEvidence
    n_folds: int
    n_samples: int
    n_independent_samples: int
    n_final_independent_samples: int
    walk_forward: Performance
    final: Performance


def judge_candidate(evidence: CandidateEvidence, limits: CandidateLimits) -> GateVerdict:
    """Judge a candidate.

    Parameters
    ----------
    evidence
        What was measured.
    limits
        What must be reached.

    Returns
    -------
    GateVerdict
        `fail` on any sign of the future, however short the history; `insufficient_observation` when too
        little was observed; else `pass` or `fail`.
    """
    walk, final = evidence.walk_forward, evidence.final
    ics = (
        MeasuredIc(walk.ic, evidence.n_independent_samples),
        MeasuredIc(final.ic, evidence.n_final_independent_samples),
    )
    checks = (
        *leak_checks(evidence.leak, ics, max_plausible_ic=limits.max_plausible_ic),
        at_least("n_folds", evidence.n_folds, limits.min_folds),
        at_least("n_samples", evidence.n_samples, limits.min_samples),
        at_least("n_independent_samples", evidence.n_independent_samples, limits.min_independent_samples),
        more_than("ic", walk.ic, limits.min_ic),
        more_than("pnl_after_cost_frac", walk.pnl_after_cost_frac, limits.min_pnl_after_cost_frac),
        at_most("max_drawdown_frac", walk.max_drawdown_frac, limits.max_drawdown_frac),
        at_least("sharpe", walk.sharpe, limits.min_sharpe),
        more_than("final_ic", final.ic, limits.min_ic),
        more_than("final_pnl_after_cost_frac", final.pnl_after_cost_frac, limits.min_pnl_after_cost_frac),
        at_most("final_max_drawdown_frac", final.max_drawdown_frac, limits.max_drawdown_frac),
    )
    return decide(GATE, checks, floors=FLOORS, proofs=PROOFS)
