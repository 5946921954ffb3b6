"""The conformance kit for policies: what breaks a promise is named, what keeps them all passes."""

import math

import numpy as np
import pytest
from numba import njit

from markets import random_panel, random_predictions
from marketsentry.core.backtest.builtin_policy import builtin_policy
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.policy import PolicyParam, compile_policy
from marketsentry.core.backtest.policy_check import check_policy, replay_bar_by_bar
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.tape import fills_of

N_BARS = 160
SIZE = PolicyParam("size", 0.5, 0.1, 1.0, "of every position")
ALL = ["answers", "pure", "parameters", "trades", "no_look_ahead", "one_bar", "limits", "silence", "sweep"]


def check(decide, params=()):
    """Failed checks by name, with what was seen."""
    policy = decide if hasattr(decide, "bind") else compile_policy("mine", njit(decide), params)
    panel, predictions = random_panel(1, N_BARS, 2), random_predictions(2, (N_BARS, 2))
    report = check_policy(policy, panel, predictions, rng=np.random.default_rng(3))
    assert [one.name for one in report.checks] == ALL
    assert report.passed == all(one.passed for one in report.checks)
    return {one.name: one.detail for one in report.checks if not one.passed}


def sized(view, params):
    return math.copysign(params.size, view.prediction)


def test_the_built_in_rule_keeps_every_promise():
    assert check(builtin_policy()) == {}


def test_an_answer_beyond_one_is_clipped_and_told():
    policy = compile_policy("mine", njit(lambda view, params: 1000.0 * view.prediction), ())
    panel, predictions = random_panel(1, N_BARS, 2), random_predictions(2, (N_BARS, 2))
    report = check_policy(policy, panel, predictions, rng=np.random.default_rng(3))
    assert report.passed
    assert "0 beyond 1" not in report.checks[0].detail


def test_dice_are_found():
    failed = check(lambda view, params: np.random.uniform(-1.0, 1.0))
    assert {"pure", "no_look_ahead", "one_bar", "sweep"} <= failed.keys()
    assert "then" in failed["pure"]


def test_an_answer_that_is_no_number_is_named_with_its_view():
    failed = check(lambda view, params: view.prediction / (view.drawdown_frac * view.gain_frac))
    assert "View(prediction=" in failed["answers"]
    assert check(lambda view, params: view.prediction / view.volatility) == {}  # only while it is unknown


def test_an_exception_is_an_answer_that_is_no_number():
    def decide(view, params):
        if view.drawdown_frac > 0.05:
            raise ValueError("panic")
        return 1.0

    assert "answered nan" in check(decide)["answers"]


def test_a_parameter_that_changes_nothing_is_named():
    failed = check(sized, (SIZE, PolicyParam("mood", 1.0, 0.0, 2.0, "of the day")))
    assert list(failed) == ["parameters"]
    assert failed["parameters"].startswith("mood changes no answer")
    assert check(sized, (SIZE,)) == {}


def test_a_policy_that_never_trades_proves_nothing():
    assert list(check(lambda view, params: 0.0)) == ["trades"]


@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("latency", [1, 3])
def test_a_call_per_bar_is_the_loop_over_bars(n_targets, latency):
    panel = random_panel(5, 200, n_targets)
    predictions = random_predictions(6, (200, n_targets))
    params = params_for(panel.interval, 4, latency_bars=latency, policy=builtin_policy().values())
    equity, weights, tape, decided = replay_bar_by_bar(predictions, panel, params, builtin_policy())
    whole = replay(predictions, panel, params, policy=builtin_policy())
    assert whole.equity.tobytes() == equity.tobytes()
    assert whole.weights.tobytes() == weights.tobytes()
    assert whole.fills.tobytes() == fills_of(tape).tobytes()
    assert 0.0 < np.abs(decided).max() <= params.max_single_weight
