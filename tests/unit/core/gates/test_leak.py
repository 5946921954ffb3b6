"""The leak test, and the test of the leak test."""

import numpy as np
import pytest

from marketsentry.core.features.check import Leak
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.gates.leak import (
    LeakEvidence,
    MeasuredIc,
    describe_leak,
    leak_checks,
    leak_document,
    run_leak_test,
)
from marketsentry.core.market.bars import BarPanel
from training_inputs import PEEKING, SOUND, make_dataset

CLEAN = LeakEvidence((), 0.0, 0, 0, True, 3, True)


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return make_dataset(n_bars=1_500).panel


def test_sound_features_pass_and_the_canary_is_caught(panel: BarPanel) -> None:
    evidence = run_leak_test(SOUND, panel, ContextInputs(), horizon_bars=48, rng=np.random.default_rng(0))
    assert evidence == CLEAN


def test_a_feature_from_the_future_is_named_with_bar_and_both_values(panel: BarPanel) -> None:
    evidence = run_leak_test(PEEKING, panel, ContextInputs(), horizon_bars=48, rng=np.random.default_rng(0))
    assert [leak.feature for leak in evidence.leaks] == ["soon"]
    assert evidence.canary_caught
    failed = [check for check in leak_checks(evidence, (), max_plausible_ic=0.3) if not check.passed]
    assert {check.name for check in failed} == {"leaks", "batch_equals_stream"}
    assert failed[0].detail.startswith("feature soon of ")
    assert "with the future known and" in failed[0].detail


def test_long_histories_are_tested_at_both_ends_and_in_the_middle() -> None:
    panel = make_dataset(n_bars=14_000).panel
    evidence = run_leak_test(SOUND, panel, ContextInputs(), horizon_bars=48, rng=np.random.default_rng(0))
    assert evidence.n_cuts == 9
    assert evidence.canary_caught


def test_a_missed_canary_makes_the_leak_test_worthless() -> None:
    blind = LeakEvidence((), 0.0, 0, 0, True, 3, canary_caught=False)
    failed = [
        check
        for check in leak_checks(blind, (MeasuredIc(0.05, 400),), max_plausible_ic=0.3)
        if not check.passed
    ]
    assert [check.name for check in failed] == ["canary_caught"]
    assert "missed a feature made of the future label" in failed[0].detail


@pytest.mark.parametrize(("value", "n"), [(0.46, 400), (-0.5, 400), (float("nan"), 400), (0.9, 30)])
def test_an_impossible_correlation_is_a_sign_of_the_future(value: float, n: int) -> None:
    ics = (MeasuredIc(0.01, 400), MeasuredIc(value, n))
    (check,) = (c for c in leak_checks(CLEAN, ics, max_plausible_ic=0.3) if c.name == "ic_plausible")
    assert not check.passed


@pytest.mark.parametrize(("value", "n"), [(0.44, 400), (0.6, 50), (1.0, 3), (0.5, 0)])
def test_a_large_correlation_that_chance_explains_is_none(value: float, n: int) -> None:
    (check,) = (
        c
        for c in leak_checks(CLEAN, (MeasuredIc(value, n),), max_plausible_ic=0.3)
        if c.name == "ic_plausible"
    )
    assert check.passed


def test_no_correlation_at_all_is_left_to_other_checks() -> None:
    nothing = (MeasuredIc(None, 10), MeasuredIc(None, 10))
    assert "ic_plausible" not in {check.name for check in leak_checks(CLEAN, nothing, max_plausible_ic=0.3)}


def test_a_leak_is_told_in_words_and_as_json() -> None:
    leak = Leak("soon", "BTC", 1_700_000_000_000_000_000, 0.0125, float("nan"))
    assert describe_leak(leak) == (
        "feature soon of BTC at bar 2023-11-14T22:13:20Z is 0.0125 with the future known and nan without"
    )
    assert leak_document(leak)["value_without_future"] is None
