"""Comparing snapshots of two writers."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from marketsentry.core.quality.lineage_check import Tolerance, Writer, compare_snapshots, writer_of
from marketsentry.exceptions import InputError

VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(["up", "down"])
)
PAYLOAD = st.dictionaries(st.sampled_from("abcd"), VALUE, max_size=4)
PAIRS = st.lists(st.tuples(PAYLOAD, PAYLOAD), max_size=4)
ABSENT = object()


def naive_difference(a: Any, b: Any) -> float:
    def number(value: Any) -> bool:
        return type(value) in (int, float)

    if number(a) and number(b):
        return float(abs(a - b))
    if number(a) and b is ABSENT:
        return float(abs(a))
    if number(b) and a is ABSENT:
        return float(abs(b))
    return float(a is ABSENT or b is ABSENT or a != b or (type(a) is bool) != (type(b) is bool))


@given(PAIRS, st.floats(0, 1), st.booleans(), st.integers(1, 4))
def test_a_comparison_agrees_with_going_through_the_keys(
    pairs: list[tuple[dict[str, Any], dict[str, Any]]], max_diff: float, strict: bool, max_keys: int
) -> None:
    found = compare_snapshots(pairs, Tolerance(max_diff, strict=strict, max_keys=max_keys))
    keyed = [
        (key, naive_difference(left.get(key, ABSENT), right.get(key, ABSENT)))
        for left, right in pairs
        for key in {*left, *right}
    ]
    if not pairs:
        assert (found.passed, found.reason, found.max_abs_diff) == (False, "insufficient_snapshots", None)
        return
    largest = max((difference for _, difference in keyed), default=0.0)
    mean = sum(difference for _, difference in keyed) / max(1, len(keyed))
    assert found.compared_snapshots == 2 * len(pairs)
    assert found.max_abs_diff == largest
    assert found.mean_abs_diff == pytest.approx(mean, abs=1e-12)
    assert found.mismatch_keys == tuple(sorted({key for key, one in keyed if one > max_diff})[:max_keys])
    if strict:
        assert found.passed == (largest <= max_diff)
    assert found.reason == ("ok" if found.passed else "payload_mismatch")


def test_vector_of_a_number_that_moved() -> None:
    found = compare_snapshots([({"x": 1.0}, {"x": 1.02})], Tolerance(0.001))
    assert (found.passed, found.reason, found.compared_snapshots) == (False, "payload_mismatch", 2)
    assert found.max_abs_diff == pytest.approx(0.02)
    assert found.mismatch_keys == ("x",)


def test_vector_of_one_equal_number_and_one_differing_tag() -> None:
    found = compare_snapshots([({"n": 2, "tag": "a"}, {"n": 2.0, "tag": "b"})], Tolerance())
    assert (found.max_abs_diff, found.mean_abs_diff) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("left", "right", "difference"),
    [
        ({"x": None}, {"x": None}, 0.0),
        ({"x": None}, {"x": 0.0}, 1.0),
        ({"x": 0.0}, {}, 0.0),
        ({"x": 3.0}, {}, 3.0),
        ({}, {"x": -3}, 3.0),
        ({"x": None}, {}, 1.0),
        ({"x": True}, {"x": 1}, 1.0),
        ({"x": [1, 2]}, {"x": [1, 2]}, 0.0),
        ({"x": 1.7e308}, {"x": -1.7e308}, pytest.approx(1.797e308, rel=1e-3)),
    ],
)
def test_missing_is_not_zero_unless_the_key_is_absent(left: Any, right: Any, difference: Any) -> None:
    assert compare_snapshots([(left, right)], Tolerance()).max_abs_diff == difference


def test_the_mean_may_pass_where_the_largest_does_not() -> None:
    pairs = [({"a": 0.0, "b": 1.0}, {"a": 0.0, "b": 1.1})]
    assert not compare_snapshots(pairs, Tolerance(0.06)).passed
    loose = compare_snapshots(pairs, Tolerance(0.06, strict=False))
    assert (loose.passed, loose.reason, loose.mismatch_keys) == (True, "ok", ("b",))


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("train-20240101000000-BTC", Writer.TRAIN),
        ("infer-1", Writer.INFER),
        ("trainer", None),
        ("x-train-", None),
    ],
)
def test_a_lineage_names_its_writer(name: str, writer: Writer | None) -> None:
    assert writer_of(name) is writer


def test_each_writer_is_checked_by_the_other() -> None:
    assert [writer.other for writer in Writer] == [Writer.INFER, Writer.TRAIN]


@pytest.mark.parametrize(
    "bad", [{"max_diff": -0.1}, {"max_diff": 1.1}, {"max_diff": float("nan")}, {"max_keys": 0}]
)
def test_an_impossible_tolerance_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Tolerance(**bad)
