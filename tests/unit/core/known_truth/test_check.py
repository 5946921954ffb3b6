"""What a quick known-truth check counts: the limits are such that luck breaks them less than once in a million."""

from dataclasses import replace

import pytest

from marketsentry.core.known_truth.check import (
    COVERAGE,
    MAX_FALSE_ACCEPT,
    QUICK,
    CoverageCell,
    KnownTruth,
    Share,
    Sizes,
    check_known_truth,
    failures,
)
from marketsentry.core.known_truth.planted import Planted
from marketsentry.core.known_truth.trials import Search, Searched, search_once
from marketsentry.core.stats.binomial import probability_at_least, probability_at_most

SIZES = Sizes(runs=2, power_runs=1, coverage_runs=10, n_models=6, n_bars=4_380)
SMALLEST = replace(SIZES, runs=2, coverage_runs=1, n_models=2)


def run(sizes: Sizes, n_threads: int) -> KnownTruth:
    return check_known_truth(sizes, seed=3, n_threads=n_threads, on_progress=lambda part, share: None)


@pytest.mark.slow
def test_the_number_of_threads_changes_nothing():
    assert run(SMALLEST, 2) == run(SMALLEST, 1)


@pytest.mark.slow
def test_a_small_run_of_the_check_passes():
    found = run(SIZES, 2)
    assert failures(found, is_quick=True) == ()
    assert found.covered.n == 60
    assert {one.outcome for one in found.noise} <= {"fail", "insufficient_observation"}
    assert list(found.power) == ["weak", "strong"]


@pytest.mark.slow
def test_a_forecaster_of_the_drift_is_told_from_noise():
    known = search_once(Search(n_models=4, n_bars=4_380), strength=2.0, seed=1, repetition=0)
    assert known.sharpe is not None
    assert known.sharpe > 5.0
    best = search_once(Search(n_models=4, n_bars=4_380), strength=0.0, seed=1, repetition=0)
    assert best.sharpe is not None
    assert best.sharpe < known.sharpe
    assert any(reason.startswith("sharpe_above_luck") for reason in best.reasons)


def counted(passed: int, n: int, held: int, tried: int) -> KnownTruth:
    one = Searched("fail", (), 0.0, 0.0, 1.0, 0.0)
    noise = (*[replace(one, outcome="pass")] * passed, *[one] * (n - passed))
    planted = Planted(horizon_bars=1, edge=0.0, memory=0.0)
    cell = CoverageCell(planted, 100, 0.0, Share(held, tried), Share(held, tried), 0.0, 0.1, 0.3)
    return KnownTruth(SIZES, 0, noise, {}, (cell,))


def test_a_full_run_is_held_against_the_limits_themselves():
    assert failures(counted(1, 100, 90, 100), is_quick=False) == ()
    assert failures(counted(2, 100, 90, 100), is_quick=False) == (
        "false_accept must be <= 0.01, was 2 of 100",
    )
    assert failures(counted(0, 100, 84, 100), is_quick=False) == ("coverage must be >= 0.85, was 84 of 100",)
    assert failures(counted(0, 100, 96, 100), is_quick=False) == ("coverage must be <= 0.95, was 96 of 100",)


def test_a_quick_run_fails_only_where_luck_is_no_explanation():
    assert failures(counted(2, 4, 100, 120), is_quick=True) == ()
    assert failures(counted(4, 4, 100, 120), is_quick=True) != ()
    assert failures(counted(0, 4, 75, 120), is_quick=True) != ()


def test_bounds_of_a_quick_run_are_missed_less_than_once_in_a_million():
    """With the truth at a limit, the chance of a count that fails is below 1e-6 by construction; spelled out here."""
    n = QUICK.runs
    failing = [k for k in range(n + 1) if failures(counted(k, n, 108, 120), is_quick=True)]
    assert failing
    assert probability_at_least(min(failing), n, MAX_FALSE_ACCEPT) < 1e-6
    n = QUICK.coverage_runs * 6
    low = [k for k in range(n + 1) if failures(counted(0, 1, k, n), is_quick=True)]
    below = max(k for k in low if k < 0.9 * n)
    assert (
        probability_at_most(below, n, COVERAGE.low) < 1e-6 < probability_at_most(below + 1, n, COVERAGE.low)
    )
