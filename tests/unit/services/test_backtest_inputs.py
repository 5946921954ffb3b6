import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.services.backtest_inputs import join_as_of
from marketsentry.services.replay_check import Difference, first_difference_of


@given(
    st.lists(st.integers(0, 100), max_size=20, unique=True).map(sorted),
    st.lists(st.integers(0, 100), max_size=20).map(sorted),
    st.integers(1, 40),
)
def test_snapshots_join_as_of_and_never_from_the_future(events, instants, age):
    """K-47: joined on time, not by row."""
    rows, where = join_as_of(np.array(events, dtype=np.int64), np.array(instants, dtype=np.int64), age)
    expected = {}
    for k, instant in enumerate(instants):
        past = [i for i, event in enumerate(events) if event <= instant]
        if past and instant - events[past[-1]] < age:
            expected[k] = past[-1]
    assert dict(zip(where.tolist(), rows.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 2]}}, None),
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 3]}}, Difference("m.b.c[1]", 2, 3)),
        ({"a": 1}, {"a": 1, "b": 2}, Difference("m.b", None, 2)),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, Difference("m.a", 1, 2)),
        ([1, 2], [1], Difference("m", [1, 2], [1])),
        (0.1, None, Difference("m", 0.1, None)),
    ],
)
def test_the_first_difference_is_named_with_both_values(one, other, found):
    assert first_difference_of(one, other, "m") == found
