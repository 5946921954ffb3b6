"""What explains a prediction is what was computed, or nothing (K-67)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.core.serving.explain import MAX_FEATURES, ContextEvent, attribute, explain, recency
from marketsentry.exceptions import InputError

NOW_NS = 1_700_000_000_000_000_000
HOUR_NS = 3_600_000_000_000


@given(
    arrays(np.float64, st.integers(1, 40), elements=st.floats(-1.0, 1.0)),
    st.integers(0, 2**31),
)
def test_listed_parts_base_and_rest_are_the_score(told: np.ndarray, seed: int) -> None:
    names = [f"f{n}" for n in range(told.size - 1)]
    values = np.random.default_rng(seed).normal(size=told.size - 1)
    listed, attribution = attribute(names, values, told, score=math.fsum(told), scale="return")
    parts = [one.contribution for one in listed]
    assert len(parts) <= MAX_FEATURES
    assert parts == sorted(parts, key=abs, reverse=True)
    assert 0.0 not in parts
    total = math.fsum([attribution.base_value, attribution.rest, *parts])
    assert total == pytest.approx(math.fsum(told), abs=1e-12)
    by_name = dict(zip(names, told, strict=False))
    assert all(by_name[one.feature] == one.contribution for one in listed)


def test_a_missing_feature_has_no_value_and_may_have_a_part() -> None:
    listed, _ = attribute(["a"], np.array([np.nan]), np.array([0.2, 0.1]), score=0.3, scale="return")
    assert (listed[0].value, listed[0].contribution) == (None, 0.2)


@pytest.mark.parametrize(
    ("told", "score", "message"),
    [
        ([0.1, 0.2], 0.31, "must add up to the prediction 0.31"),
        ([0.1, math.nan], 0.1, "must be finite"),
        ([0.1, 0.2, 0.3], 0.6, r"must have shape \(2,\), were \(3,\)"),
        ([0.1, 0.2], math.nan, "must add up"),
    ],
)
def test_parts_that_are_not_the_score_are_refused(told: list[float], score: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        attribute(["a"], np.array([1.0]), np.array(told), score=score, scale="return")


def test_the_newest_events_and_their_links_are_shown() -> None:
    events = [
        ContextEvent(
            n, "market", f"event {n}", NOW_NS - n * HOUR_NS, None if n % 2 else "https://example.org/same"
        )
        for n in range(7)
    ]
    told = explain(events[::-1], ((), None), as_of_ns=NOW_NS, model_version="m", feature_version="f")
    assert [one.event_id for one in told.top_event_contributors] == [0, 1, 2, 3, 4]
    assert told.top_event_contributors[0].weight == 1.0
    assert told.evidence_links == ("https://example.org/same",)
    assert told.attribution is None


def test_recency_is_that_of_the_feature() -> None:
    assert recency(NOW_NS - 12 * HOUR_NS, NOW_NS) == pytest.approx(math.exp(-1))
    assert recency(NOW_NS + HOUR_NS, NOW_NS) == 1.0
