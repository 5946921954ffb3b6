from dataclasses import replace

import pytest

from marketsentry.core.gates.candidate import CandidateEvidence, CandidateLimits, Performance, judge_candidate
from marketsentry.core.gates.leak import LeakEvidence
from marketsentry.core.gates.verdict import Outcome

GOOD = Performance(ic=0.05, pnl_after_cost_frac=0.1, max_drawdown_frac=0.1, sharpe=1.5)
NOTHING = Performance(None, None, None, None)
EVIDENCE = CandidateEvidence(
    leak=LeakEvidence((), 0.0, 0, 0, True, 3, True),
    n_folds=5,
    n_samples=5_000,
    n_independent_samples=200,
    n_final_independent_samples=40,
    walk_forward=GOOD,
    final=GOOD,
)
LIMITS = CandidateLimits()


def failed(evidence: CandidateEvidence) -> tuple[Outcome, set[str]]:
    verdict = judge_candidate(evidence, LIMITS)
    return verdict.outcome, {check.name for check in verdict.checks if not check.passed}


def test_a_good_candidate_passes_with_every_value_beside_its_limit() -> None:
    verdict = judge_candidate(EVIDENCE, LIMITS)
    assert verdict.outcome is Outcome.PASS
    assert {check.name: (check.value, check.limit) for check in verdict.checks} == {
        "leaks": (0, 0),
        "canary_caught": (1, 1),
        "batch_equals_stream": (1, 1),
        "warmup_violations": (0, 0),
        "ic_plausible": (0.0, 0.3),
        "n_folds": (5, 5),
        "n_samples": (5_000, 1_000),
        "n_independent_samples": (200, 100),
        "ic": (0.05, 0.0),
        "pnl_after_cost_frac": (0.1, 0.0),
        "max_drawdown_frac": (0.1, 0.2),
        "sharpe": (1.5, 0.5),
        "final_ic": (0.05, 0.0),
        "final_pnl_after_cost_frac": (0.1, 0.0),
        "final_max_drawdown_frac": (0.1, 0.2),
    }


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"ic": 0.0}, "ic"),
        ({"ic": None}, "ic"),
        ({"pnl_after_cost_frac": 0.0}, "pnl_after_cost_frac"),
        ({"pnl_after_cost_frac": float("nan")}, "pnl_after_cost_frac"),
        ({"max_drawdown_frac": 0.21}, "max_drawdown_frac"),
        ({"sharpe": 0.4}, "sharpe"),
        ({"sharpe": None}, "sharpe"),
    ],
)
def test_each_shortfall_fails_by_name(changed: dict[str, float], name: str) -> None:
    assert failed(replace(EVIDENCE, walk_forward=replace(GOOD, **changed))) == (Outcome.FAIL, {name})


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"ic": -0.01}, "final_ic"),
        ({"pnl_after_cost_frac": -0.01}, "final_pnl_after_cost_frac"),
        ({"max_drawdown_frac": 0.3}, "final_max_drawdown_frac"),
    ],
)
def test_the_last_block_can_refuse_what_the_folds_passed(changed: dict[str, float], name: str) -> None:
    assert failed(replace(EVIDENCE, final=replace(GOOD, **changed))) == (Outcome.FAIL, {name})


@pytest.mark.parametrize("name", ["n_folds", "n_samples", "n_independent_samples"])
def test_too_little_observed_is_neither_pass_nor_fail(name: str) -> None:
    outcome, names = failed(replace(EVIDENCE, **{name: 4}))
    assert (outcome, names) == (Outcome.INSUFFICIENT_OBSERVATION, {name})


def test_nothing_predicted_is_insufficient_not_a_pass() -> None:
    evidence = replace(EVIDENCE, n_samples=0, n_independent_samples=0, walk_forward=NOTHING, final=NOTHING)
    assert failed(evidence)[0] is Outcome.INSUFFICIENT_OBSERVATION


def test_a_blind_leak_test_fails_a_short_history_too() -> None:
    blind = replace(EVIDENCE.leak, canary_caught=False)
    outcome, names = failed(replace(EVIDENCE, leak=blind, n_samples=3))
    assert outcome is Outcome.FAIL
    assert names == {"canary_caught", "n_samples"}
