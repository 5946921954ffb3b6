"""The first verdict on a candidate: does it see the future, and does what is left earn anything after cost?

Every value is out of sample: predictions of purged walk-forward folds for the walk-forward checks, and of
the untouched last block for the final ones. The model judged on the last block is the one that serves, byte
for byte.

The Sharpe ratio must exceed what luck gives the best of as many trials as were made. Where it does, but the history is
too short to be sure of it, and nothing else speaks against the candidate, too little was observed. A rule that needs no
model must not be shown to be better. Whether the candidate leads each baseline, and what is left at twice the costs, is
told and decides nothing.

Most of the replay settings around the assumed ones must earn as well: a result that hangs on its setting was tuned, or
lucky. What choosing among them would be worth, and the paths of a combinatorial cross-validation, are told (ADR 0131).

What the sanity review finds (`core.gates.sanity`) counts as it says itself: impossible figures fail, too few trades are
too little observed, warnings are told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from marketsentry.core.evidence.baselines import NAIVE
from marketsentry.core.evidence.overfitting import Overfitting
from marketsentry.core.evidence.pack import Baseline, TrialEvidence
from marketsentry.core.evidence.paths import Paths
from marketsentry.core.gates.leak import LEAK_PROOFS, LeakEvidence, MeasuredIc, leak_checks
from marketsentry.core.gates.sanity import FLOORS as SANITY_FLOORS
from marketsentry.core.gates.sanity import PROOFS as SANITY_PROOFS
from marketsentry.core.gates.sanity import SanityLimits
from marketsentry.core.gates.verdict import GateCheck, GateVerdict, at_least, at_most, decide, more_than

GATE = "candidate"
FLOORS = SANITY_FLOORS | {"n_folds", "n_samples", "n_independent_samples"}
DOUBTS = frozenset({"deflated_sharpe"})
UNSURE = FLOORS | DOUBTS  # a failure of these alone is no verdict on the candidate
PROOFS = LEAK_PROOFS | SANITY_PROOFS


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
    min_deflated_sharpe: float = 0.95
    min_lead_probability: float = 0.05
    max_plausible_ic: float = 0.3
    min_neighbours_above_zero_frac: float = 0.5
    max_pbo: float = 0.5
    max_probability_of_loss: float = 0.5
    max_losing_paths_frac: float = 0.2
    sanity: SanityLimits = field(default_factory=SanityLimits)


@dataclass(frozen=True, slots=True)
class Performance:
    """What one stretch of out-of-sample predictions showed; None where it is undefined."""

    ic: float | None
    pnl_after_cost_frac: float | None
    max_drawdown_frac: float | None
    sharpe: float | None


@dataclass(frozen=True, slots=True)
class CandidateEvidence:
    """All that the gate looks at. `walk_forward` covers the folds, `final` the untouched last block.

    `trials`, `baselines`, `overfitting` and `doubled_costs_pnl_frac` (the return at twice the costs) are those of the
    folds; so is `sanity`, the review of their account. `paths` is None where no combinatorial cross-validation was
    asked for. `absent_features` never had a value.
    """

    leak: LeakEvidence
    n_folds: int
    n_samples: int
    n_independent_samples: int
    n_final_independent_samples: int
    walk_forward: Performance
    final: Performance
    trials: TrialEvidence
    baselines: tuple[Baseline, ...]
    doubled_costs_pnl_frac: float | None
    sanity: GateVerdict
    overfitting: Overfitting | None
    paths: Paths | None = None
    absent_features: tuple[str, ...] = ()


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
    leak = leak_checks(evidence.leak, ics, max_plausible_ic=limits.max_plausible_ic)
    checks = (
        *leak,
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
        *_luck_checks(evidence.trials, limits),
        *_baseline_checks(evidence.baselines, limits),
        *_overfitting_checks(evidence.overfitting, limits),
        *_path_checks(evidence.paths, limits),
        _informative(more_than("doubled_costs_pnl_frac", evidence.doubled_costs_pnl_frac, 0.0)),
        _informative(
            at_most(
                "absent_features",
                len(evidence.absent_features),
                0,
                f"never had a value: {', '.join(evidence.absent_features)}"
                if evidence.absent_features
                else "",
            )
        ),
        *_sanity_checks(evidence.sanity, {check.name for check in leak}),
    )
    return decide(GATE, checks, floors=FLOORS, proofs=PROOFS, doubts=DOUBTS)


def _sanity_checks(review: GateVerdict, told: set[str]) -> tuple[GateCheck, ...]:
    """The checks of the sanity review that are not told already; a review of nothing proves nothing."""
    checks = tuple(check for check in review.checks if check.name not in told)
    return checks or (at_least("n_trades", None, 1),)


def _luck_checks(trials: TrialEvidence, limits: CandidateLimits) -> tuple[GateCheck, ...]:
    """Hold the Sharpe ratio against the best of as many worthless trials: first as it is, then with its error."""
    luck, score = trials.expected_maximum, trials.deflated_sharpe
    told = f"the luck of {trials.n_trials} trials explains {luck:.2f}"
    return (
        more_than("sharpe_above_luck", None if trials.sharpe is None else trials.sharpe - luck, 0.0, told),
        at_least(
            "deflated_sharpe", score, limits.min_deflated_sharpe, "the history is too short to exclude luck"
        ),
    )


def _baseline_checks(baselines: Sequence[Baseline], limits: CandidateLimits) -> tuple[GateCheck, ...]:
    """A lead in Sharpe ratio informs; that a rule without a model is not shown to be better binds."""
    known = [one.lead_probability for one in baselines if one.name in NAIVE]
    least = min((one for one in known if one is not None), default=None) if None not in known else None
    leads = [
        more_than(f"lead_over_{one.name}", one.sharpe_lead, 0.0, _probability(one.lead_probability))
        for one in baselines
    ]
    told = "a rule without a model is better"
    bound = at_least("lead_probability", least, limits.min_lead_probability, told)
    return (bound, *map(_informative, leads))


def _overfitting_checks(found: Overfitting | None, limits: CandidateLimits) -> tuple[GateCheck, ...]:
    """That most settings around the assumed one earn binds; what a choice among them would be worth informs."""
    choice = found.choice if found else None
    return (
        at_least(
            "neighbours_above_zero_frac",
            found.all_above_zero_frac if found else None,
            limits.min_neighbours_above_zero_frac,
            "the result hangs on the replay parameters that were assumed",
        ),
        _informative(at_most("pbo", choice.pbo if choice else None, limits.max_pbo)),
        _informative(
            at_most(
                "probability_of_loss",
                choice.probability_of_loss if choice else None,
                limits.max_probability_of_loss,
            )
        ),
    )


def _path_checks(paths: Paths | None, limits: CandidateLimits) -> tuple[GateCheck, ...]:
    """Informative: a path trains on the future of its test bars."""
    if paths is None:
        return ()
    told = f"of {len(paths.rows)} paths"
    return (
        _informative(at_most("losing_paths_frac", paths.losing_frac, limits.max_losing_paths_frac, told)),
    )


def _probability(value: float | None) -> str:
    return "too short to resample" if value is None else f"probability of a lead {value:.2f}"


def _informative(check: GateCheck) -> GateCheck:
    return replace(check, is_informative=True)
