from dataclasses import replace

import pytest

from marketsentry.core.evidence.overfitting import Overfitting
from marketsentry.core.evidence.pack import Baseline, TrialEvidence
from marketsentry.core.evidence.paths import PathRow, Paths
from marketsentry.core.gates.candidate import CandidateEvidence, CandidateLimits, Performance, judge_candidate
from marketsentry.core.gates.leak import LeakEvidence
from marketsentry.core.gates.verdict import (
    GateVerdict,
    Outcome,
    at_least,
    at_most,
    decide,
    verdict_from_document,
)
from marketsentry.core.stats.pbo import BacktestOverfitting

GOOD = Performance(ic=0.05, pnl_after_cost_frac=0.1, max_drawdown_frac=0.1, sharpe=1.5)
NOTHING = Performance(None, None, None, None)


def baseline(name: str, lead: float | None, probability: float | None = 0.8) -> Baseline:
    return Baseline(name, 0.1, 0.2, 1.0, None, 0.5, lead, None, probability, 0.1, None)


TRIALS = TrialEvidence(4, 4, 0.5, 0.6, 1.5, None, 0.97, ())


def review(n_trades: float = 200, sharpe: float = 1.0, leaks: float = 0) -> GateVerdict:
    checks = (
        at_most("sharpe_plausible", sharpe, 10.0),
        at_least("n_trades", n_trades, 30),
        at_most("leaks", leaks, 0),
    )
    return decide("sanity", checks, floors=frozenset({"n_trades"}), proofs=frozenset({"sharpe_plausible"}))


RULES = ("buy_and_hold", "equal_weight", "momentum", "ridge")
CHOICE = BacktestOverfitting(64, 16, 12_870, 0.2, 0.1, 0.4, 2.0, 1.5, (0,) * 10)
NEAR = Overfitting(64, ("cost_multiple",), 9, "plateau", 0.9, 1.0, 0.98, CHOICE)
PATHS = Paths(6, 2, 15, 24, (PathRow(0.05, 0.05, 0.1, 0.1, 1.5),) * 5, 0.2, 1.5, 1.5, 1.5, (), ())
EVIDENCE = CandidateEvidence(
    leak=LeakEvidence((), 0.0, 0, 0, True, 3, True),
    n_folds=5,
    n_samples=5_000,
    n_independent_samples=200,
    n_final_independent_samples=40,
    walk_forward=GOOD,
    final=GOOD,
    trials=TRIALS,
    baselines=tuple(baseline(name, 0.3) for name in RULES),
    doubled_costs_pnl_frac=0.02,
    overfitting=NEAR,
    sanity=review(),
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
        "sharpe_above_luck": (pytest.approx(0.9), 0.0),
        "deflated_sharpe": (0.97, 0.95),
        "lead_probability": (0.8, 0.05),
        "lead_over_buy_and_hold": (0.3, 0.0),
        "lead_over_equal_weight": (0.3, 0.0),
        "lead_over_momentum": (0.3, 0.0),
        "lead_over_ridge": (0.3, 0.0),
        "doubled_costs_pnl_frac": (0.02, 0.0),
        "neighbours_above_zero_frac": (0.98, 0.5),
        "pbo": (0.2, 0.5),
        "probability_of_loss": (0.1, 0.5),
        "absent_features": (0, 0),
        "sharpe_plausible": (1.0, 10.0),
        "n_trades": (200, 30),
    }
    assert verdict.notes == ()


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


@pytest.mark.parametrize("score", [0.94, None, float("nan")])
def test_a_score_that_luck_may_explain_is_too_little_observed(score: float | None) -> None:
    trials = replace(TRIALS, deflated_sharpe=score)
    assert failed(replace(EVIDENCE, trials=trials)) == (
        Outcome.INSUFFICIENT_OBSERVATION,
        {"deflated_sharpe"},
    )


def test_a_candidate_that_falls_too_deep_fails_however_uncertain_its_ratio_is() -> None:
    deep = replace(
        EVIDENCE,
        trials=replace(TRIALS, deflated_sharpe=0.5),
        walk_forward=replace(GOOD, max_drawdown_frac=0.98),
    )
    assert failed(deep) == (Outcome.FAIL, {"deflated_sharpe", "max_drawdown_frac"})
    assert failed(replace(deep, n_samples=3))[0] is Outcome.INSUFFICIENT_OBSERVATION


def test_a_score_below_what_luck_gives_as_many_trials_is_told_with_their_number() -> None:
    trials = replace(TRIALS, n_trials=900, expected_maximum=1.6, deflated_sharpe=0.45)
    verdict = judge_candidate(replace(EVIDENCE, trials=trials), LIMITS)
    assert verdict.outcome is Outcome.FAIL
    assert any(
        "sharpe_above_luck" in one and "luck of 900 trials explains 1.60" in one for one in verdict.reasons
    )


@pytest.mark.parametrize("name", RULES[:3])
@pytest.mark.parametrize("probability", [0.04, None])
def test_a_rule_without_a_model_that_is_better_refuses(name: str, probability: float | None) -> None:
    rivals = tuple(baseline(one, 0.3, probability if one == name else 0.8) for one in RULES)
    assert failed(replace(EVIDENCE, baselines=rivals)) == (Outcome.FAIL, {"lead_probability"})


@pytest.mark.parametrize("name", RULES)
def test_a_lead_that_is_missing_is_told_and_binds_nothing(name: str) -> None:
    rivals = tuple(baseline(one, -0.2 if one == name else 0.3, 0.4) for one in RULES)
    verdict = judge_candidate(replace(EVIDENCE, baselines=rivals, doubled_costs_pnl_frac=-0.01), LIMITS)
    assert verdict.outcome is Outcome.PASS
    assert verdict.reasons == ()
    assert [note.split(" was ")[0] for note in verdict.notes] == [
        f"lead_over_{name}",
        "doubled_costs_pnl_frac",
    ]
    assert verdict_from_document(verdict.document()) == verdict


def test_a_better_ridge_binds_nothing_however_sure() -> None:
    rivals = tuple(baseline(one, 0.3, 0.0 if one == "ridge" else 0.8) for one in RULES)
    assert judge_candidate(replace(EVIDENCE, baselines=rivals), LIMITS).outcome is Outcome.PASS


@pytest.mark.parametrize("near", [replace(NEAR, all_above_zero_frac=0.49), None])
def test_a_result_that_hangs_on_its_replay_setting_is_refused(near: Overfitting | None) -> None:
    evidence = replace(EVIDENCE, overfitting=near)
    outcome, names = failed(evidence)
    assert outcome is Outcome.FAIL
    assert "neighbours_above_zero_frac" in names
    reasons = judge_candidate(evidence, LIMITS).reasons
    assert len(reasons) == 1
    assert "hangs on the replay parameters" in reasons[0]


def test_a_choice_among_settings_that_would_be_worth_nothing_is_told_and_binds_nothing() -> None:
    for choice in (replace(CHOICE, pbo=0.9, probability_of_loss=0.8), None):
        verdict = judge_candidate(replace(EVIDENCE, overfitting=replace(NEAR, choice=choice)), LIMITS)
        assert verdict.outcome is Outcome.PASS
        assert [note.split(" was ")[0] for note in verdict.notes] == ["pbo", "probability_of_loss"]


def test_losing_paths_are_told_only_where_paths_were_fitted() -> None:
    verdict = judge_candidate(replace(EVIDENCE, paths=PATHS), LIMITS)
    assert verdict.outcome is Outcome.PASS
    assert verdict.notes == ()
    verdict = judge_candidate(replace(EVIDENCE, paths=replace(PATHS, losing_frac=0.4)), LIMITS)
    assert verdict.outcome is Outcome.PASS
    assert verdict.notes == ("losing_paths_frac was 0.4, must be <= 0.2: of 5 paths",)


def test_what_the_sanity_review_finds_is_part_of_the_verdict() -> None:
    assert failed(replace(EVIDENCE, sanity=review(sharpe=11.0))) == (Outcome.FAIL, {"sharpe_plausible"})
    few = replace(EVIDENCE, sanity=review(n_trades=3))
    assert failed(few) == (Outcome.INSUFFICIENT_OBSERVATION, {"n_trades"})
    both = replace(EVIDENCE, sanity=review(n_trades=3, sharpe=11.0))
    assert failed(both) == (Outcome.FAIL, {"n_trades", "sharpe_plausible"})


def test_a_result_that_was_not_reviewed_does_not_pass() -> None:
    nothing = decide("sanity", (), floors=frozenset(), proofs=frozenset())
    assert failed(replace(EVIDENCE, sanity=nothing)) == (Outcome.INSUFFICIENT_OBSERVATION, {"n_trades"})
