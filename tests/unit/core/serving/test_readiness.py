"""Reasons to abstain (K-64), in their order, at their limits."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from marketsentry.core.features.builtin import SCHEMA
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.serving.answer import Reason
from marketsentry.core.serving.readiness import (
    ServedRow,
    judge_row,
    needed_bars,
    signal_confidence,
    vol_forecast,
)
from marketsentry.exceptions import InputError

HOUR = parse_interval("1h")
NOW_NS = 1_704_067_200_000_000_000
NAMES = ("a", "b")
SMALL = FeatureSchema("small", tuple(FeatureDef(name, name, "-", 4, "bars", "never") for name in NAMES))
GOOD = ServedRow(NOW_NS, np.array([1.0, 2.0]), 5, (), np.array([0.0, 0.5]))


def judged(row: ServedRow, **changes: Any) -> Reason | None:
    asked = {"as_of_ns": NOW_NS, "stale_after_bars": 2, "accepts_missing": True, **changes}
    why = judge_row(row, SMALL, HOUR, **asked)
    return None if why is None else why.reason


def test_a_whole_fresh_row_may_be_predicted_on() -> None:
    assert judged(GOOD) is None


def test_a_bar_is_stale_after_so_many_bars_and_never_from_the_future() -> None:
    assert judged(GOOD, as_of_ns=NOW_NS + 2 * HOUR.ns) is None
    assert judged(GOOD, as_of_ns=NOW_NS + 2 * HOUR.ns + 1) is Reason.STALE_INPUTS
    assert judged(GOOD, as_of_ns=NOW_NS - 1) is Reason.STALE_INPUTS


def test_the_warm_up_must_be_over() -> None:
    assert (needed_bars(SMALL), needed_bars(SCHEMA)) == (5, 97)
    assert judged(replace(GOOD, n_bars=4)) is Reason.INSUFFICIENT_BARS


def test_a_late_symbol_holds_the_others_up() -> None:
    assert judged(replace(GOOD, late=("ETH",))) is Reason.UNIVERSE_LATE


def test_a_feature_may_be_missing_where_training_lacked_it_too() -> None:
    without_a, without_b = np.array([np.nan, 2.0]), np.array([1.0, np.nan])
    assert judged(replace(GOOD, values=without_a)) is Reason.MISSING_FEATURES
    assert judged(replace(GOOD, values=without_b)) is None
    assert judged(replace(GOOD, values=without_b), accepts_missing=False) is Reason.MISSING_FEATURES
    unknown = np.full(2, np.nan)
    assert judged(replace(GOOD, values=without_b, missing_frac=unknown)) is Reason.MISSING_FEATURES
    for share, allowed in ((0.01, None), (0.0099, Reason.MISSING_FEATURES)):
        assert judged(replace(GOOD, values=without_b, missing_frac=np.array([0.0, share]))) is allowed


@pytest.mark.parametrize(
    ("expected", "vol", "confidence"),
    [(0.0, 0.02, 0.67), (0.01, 0.06, 0.51), (-0.01, 0.06, 0.51), (0.05, 0.22, 0.35), (1.0, 4.02, 0.35)],
)
def test_forecasts_of_the_contract(expected: float, vol: float, confidence: float) -> None:
    """Contract 4.6."""
    assert vol_forecast(expected) == pytest.approx(vol)
    assert signal_confidence(vol) == pytest.approx(confidence)


def test_a_volatility_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="vol must be finite"):
        signal_confidence(float("nan"))
