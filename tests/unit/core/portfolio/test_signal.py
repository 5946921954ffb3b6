"""From a forecast to a signal (contract 1.4; K-10, K-62, K-64)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.portfolio.fast_score import LiveFeatures
from marketsentry.core.portfolio.profiles import COST_PROFILES, RISK_PROFILES, cost_profile, risk_profile
from marketsentry.core.portfolio.signal import Forecast, HoldReason, SignalRules, make_signal
from marketsentry.core.portfolio.terms import Action, Bucket, SignalPolicy
from marketsentry.exceptions import InputError

NONE = LiveFeatures()
LIVE = LiveFeatures(push=0.01, flow=0.5, deviation=0.01, trend=0.2)


def rules(policy=SignalPolicy.BASELINE, min_confidence=0.4, cost="standard", risk="balanced"):
    return SignalRules(policy, min_confidence, cost_profile(cost), risk_profile(risk))


def forecast(score=0.02, confidence=0.6, **changes):
    facts = {"track": "liquid", "tradeable": True, "model_version": "m-v1", **changes}
    return Forecast(score=score, confidence=confidence, **facts)


def test_the_standard_dead_band_is_the_round_trip_of_the_backtest():
    plain = ReplayParams(periods_per_year=8760, horizon_bars=24)
    assert rules().dead_band == pytest.approx(plain.entry_threshold_bps * 1e-4)
    assert rules().dead_band == pytest.approx(0.0016)


@pytest.mark.parametrize(
    ("score", "action"),
    [(0.0017, "buy"), (0.0016, "hold"), (0.0, "hold"), (-0.0016, "hold"), (-0.0017, "sell")],
)
def test_beyond_the_dead_band_it_buys_or_sells(score, action):
    made = make_signal(forecast(score), NONE, rules())
    assert made.action == action
    assert (made.hold_reason is HoldReason.INSIDE_DEAD_BAND) == (action == "hold")
    assert (made.score, made.confidence) == (score, 0.6)


def test_profiles_move_the_dead_band():
    """K-10: no profile is accepted and ignored."""
    bands = {(c, r): rules(cost=c, risk=r).dead_band for c in COST_PROFILES for r in RISK_PROFILES}
    assert len(set(bands.values())) == len(bands)
    assert bands["low", "balanced"] < bands["standard", "balanced"] < bands["high", "balanced"]
    assert bands["standard", "aggressive"] < bands["standard", "balanced"]
    assert bands["standard", "conservative"] == pytest.approx(2 * bands["standard", "balanced"])
    score = forecast(0.002)
    assert make_signal(score, NONE, rules()).action == "buy"
    assert make_signal(score, NONE, rules(cost="high")).action == "hold"
    assert make_signal(score, NONE, rules(risk="conservative")).action == "hold"


@pytest.mark.parametrize(("find", "kind"), [(cost_profile, "cost_profile"), (risk_profile, "risk_profile")])
def test_an_unknown_profile_is_refused_by_name(find, kind):
    with pytest.raises(InputError, match=f"{kind} must be one of .*, was 'own'"):
        find("own")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (
            {"score": None, "confidence": None, "tradeable": False, "why": "stale_inputs"},
            HoldReason.ABSTAINED,
        ),
        ({"tradeable": False, "why": "not_in_universe"}, HoldReason.UNTRADEABLE),
        ({"track": "vc", "score": 0.7, "tradeable": False, "has_price": False}, HoldReason.UNTRADEABLE),
        ({"confidence": 0.39}, HoldReason.LOW_CONFIDENCE),
    ],
)
def test_what_may_not_trade_holds_and_says_why(asked, reason):
    """K-62, K-64, K-68."""
    made = make_signal(forecast(**asked), NONE, rules())
    assert (made.action, made.hold_reason) == (Action.HOLD, reason)
    assert f"hold={reason}" in made.reason.split(";")
    assert made.score == asked.get("score", 0.02)
    if "why" in asked:
        assert made.reason.endswith(f"why={asked['why']}")


def test_the_reason_is_a_list_of_pairs():
    made = make_signal(forecast(), NONE, rules())
    assert made.reason == "policy=baseline-v2;model=m-v1;score=0.020000;dead_band=0.001600"


def test_the_ensemble_mixes_slow_and_fast():
    fast = 0.01 * (math.log1p(0.01) / (2 * 0.01 * math.sqrt(3)) + 0.5) / 2
    made = make_signal(forecast(), LIVE, rules(SignalPolicy.ENSEMBLE))
    assert made.score == pytest.approx(0.7 * 0.02 + 0.3 * fast)
    assert made.confidence == pytest.approx(0.63)
    assert made.action == "buy"
    assert make_signal(forecast(confidence=0.94), LIVE, rules(SignalPolicy.ENSEMBLE)).confidence == 0.95


def test_the_ensemble_holds_without_a_fast_score():
    """K-64: a missing input is no zero."""
    made = make_signal(forecast(), NONE, rules(SignalPolicy.ENSEMBLE))
    assert (made.action, made.hold_reason) == (Action.HOLD, HoldReason.FAST_SCORE_MISSING)
    assert (made.score, made.confidence) == (0.02, 0.6)
    assert "fast=none" in made.reason


@pytest.mark.parametrize(
    ("trend", "confidence", "bucket"),
    [
        (0.36, 0.56, Bucket.TREND),
        (-0.36, 0.56, Bucket.TREND),
        (0.35, 0.9, Bucket.EVENT),
        (0.36, 0.55, Bucket.EVENT),
        (0.09, 0.61, Bucket.MEAN_REVERSION),
        (0.10, 0.9, Bucket.EVENT),
        (0.0, 0.60, Bucket.EVENT),
        (None, 0.9, Bucket.EVENT),
    ],
)
def test_the_bucket_goes_by_the_trend(trend, confidence, bucket):
    live = LiveFeatures(trend=trend)
    assert make_signal(forecast(confidence=confidence), live, rules()).bucket == bucket
    assert make_signal(forecast(confidence=confidence, track="vc"), live, rules()).bucket == Bucket.EVENT
    unpriced = forecast(confidence=confidence, has_price=False)
    assert make_signal(unpriced, live, rules()).bucket == Bucket.EVENT


@given(
    score=st.floats(-1, 1),
    confidence=st.floats(0, 1),
    min_confidence=st.floats(0, 1),
    cost=st.sampled_from(sorted(COST_PROFILES)),
)
def test_it_agrees_with_the_definition(score, confidence, min_confidence, cost):
    made = make_signal(forecast(score, confidence), NONE, rules(min_confidence=min_confidence, cost=cost))
    band = cost_profile(cost).round_trip_frac
    if not confidence >= min_confidence or abs(score) <= band:
        assert made.action == "hold"
    else:
        assert made.action == ("buy" if score > 0 else "sell")
    mirrored = make_signal(
        forecast(-score, confidence), NONE, rules(min_confidence=min_confidence, cost=cost)
    )
    assert mirrored.action.sign == -made.action.sign


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused(wrong):
    """K-05."""
    with pytest.raises(InputError, match="score must be finite"):
        forecast(score=wrong)
    with pytest.raises(InputError, match="confidence must be 0"):
        forecast(confidence=wrong)
    with pytest.raises(InputError, match="min_confidence must be 0"):
        rules(min_confidence=wrong)
    with pytest.raises(InputError, match="or neither"):
        forecast(confidence=None)
