import json
import math

import pytest

from marketsentry.core.gates.verdict import (
    GateCheck,
    Outcome,
    at_least,
    at_most,
    decide,
    less_than,
    more_than,
    verdict_from_document,
)

FLOORS = frozenset({"n_samples"})
PROOFS = frozenset({"leaks"})
GOOD = (at_least("n_samples", 100, 10), at_most("leaks", 0, 0), more_than("ic", 0.1, 0.0))


@pytest.mark.parametrize("compare", [at_least, at_most, more_than, less_than])
@pytest.mark.parametrize("value", [None, math.nan])
def test_no_evidence_fails_every_comparison(compare: type[GateCheck], value: float | None) -> None:
    assert not compare("x", value, 0.0).passed


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        (at_least("x", 1.0, 1.0), True),
        (more_than("x", 1.0, 1.0), False),
        (at_most("x", 1.0, 1.0), True),
        (less_than("x", 1.0, 1.0), False),
        (more_than("x", math.inf, 1.0), True),
        (at_most("x", 1.0, math.nan), False),
    ],
)
def test_comparisons_at_the_limit(check: GateCheck, passed: bool) -> None:
    assert check.passed is passed


def test_all_passed_is_a_pass_without_reasons() -> None:
    verdict = decide("candidate", GOOD, floors=FLOORS, proofs=PROOFS)
    assert verdict.outcome is Outcome.PASS
    assert verdict.reasons == ()


def test_a_failed_floor_is_insufficient_even_when_the_rest_fails() -> None:
    checks = (at_least("n_samples", 3, 10), at_most("leaks", 0, 0), more_than("ic", -0.1, 0.0))
    verdict = decide("candidate", checks, floors=FLOORS, proofs=PROOFS)
    assert verdict.outcome is Outcome.INSUFFICIENT_OBSERVATION
    assert len(verdict.reasons) == 2


def test_a_doubt_leaves_the_question_open_only_where_nothing_else_fails() -> None:
    doubted = at_least("sureness", 0.5, 0.95)
    rules = {"floors": FLOORS, "proofs": PROOFS, "doubts": frozenset({"sureness"})}
    assert decide("candidate", (*GOOD, doubted), **rules).outcome is Outcome.INSUFFICIENT_OBSERVATION
    lost = more_than("pnl", -0.1, 0.0)
    assert decide("candidate", (*GOOD, doubted, lost), **rules).outcome is Outcome.FAIL
    few = at_least("n_samples", 3, 10)
    assert decide("candidate", (doubted, lost, few), **rules).outcome is Outcome.INSUFFICIENT_OBSERVATION


def test_a_leak_is_a_fail_however_little_was_observed() -> None:
    checks = (at_least("n_samples", 3, 10), at_most("leaks", 1, 0, "feature peek at BTC"))
    verdict = decide("candidate", checks, floors=FLOORS, proofs=PROOFS)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reasons[-1] == "leaks was 1, must be <= 0: feature peek at BTC"


def test_nothing_checked_is_not_a_pass() -> None:
    assert decide("candidate", (), floors=FLOORS, proofs=PROOFS).outcome is Outcome.INSUFFICIENT_OBSERVATION


def test_a_verdict_survives_json_and_carries_no_nan() -> None:
    verdict = decide("candidate", (*GOOD, more_than("sharpe", math.nan, 0.5)), floors=FLOORS, proofs=PROOFS)
    document = json.loads(json.dumps(verdict.document(), allow_nan=False))
    again = verdict_from_document(document)
    assert again.outcome is Outcome.FAIL
    assert [(c.name, c.limit, c.passed, c.comparison) for c in again.checks] == [
        (c.name, c.limit, c.passed, c.comparison) for c in verdict.checks
    ]
    assert again.checks[-1].value is None
