import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.kernels.risk import (
    clip_single,
    feasible_turnover,
    gross,
    reduce_only,
    scale_gross,
    scale_groups,
    turnover,
)

weights_any = arrays(np.float64, st.integers(1, 8), elements=st.floats(-3, 3, allow_subnormal=False))
pairs_any = st.integers(1, 8).flatmap(
    lambda n: st.tuples(*[arrays(np.float64, n, elements=st.floats(-3, 3, allow_subnormal=False))] * 2)
)
weight_any = st.floats(-3, 3, allow_subnormal=False)


@settings(deadline=None)
@given(weights_any, st.floats(0.01, 2))
def test_single_weights_end_within_the_cap_and_others_stay(weights, cap):
    clipped = weights.copy()
    n_clipped = clip_single(clipped, cap)
    assert (np.abs(clipped) <= cap).all()
    np.testing.assert_array_equal(clipped, np.clip(weights, -cap, cap))
    assert n_clipped == np.count_nonzero(np.abs(weights) > cap)


@settings(deadline=None)
@given(weights_any, st.floats(0.01, 5))
def test_gross_is_scaled_to_the_cap_or_left_bit_for_bit(weights, cap):
    scaled = weights.copy()
    total = sum(abs(w) for w in weights)
    assert gross(weights) == pytest.approx(total)
    if scale_gross(scaled, cap):
        assert gross(scaled) == pytest.approx(cap)
        np.testing.assert_allclose(scaled, weights * cap / total)
    else:
        np.testing.assert_array_equal(scaled, weights)


@settings(deadline=None)
@given(weights_any, st.data())
def test_groups_are_scaled_one_by_one(weights, data):
    groups = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=weights.size, max_size=weights.size)))
    caps = np.array([0.3, 1.0, 2.0])
    scaled = weights.copy()
    n_scaled = scale_groups(scaled, groups, caps, np.empty(3))
    over = 0
    for g in range(3):
        inside = np.abs(weights[groups == g]).sum()
        expected = weights[groups == g] * (caps[g] / inside if inside > caps[g] else 1.0)
        np.testing.assert_allclose(scaled[groups == g], expected)
        over += int(inside > caps[g])
    np.testing.assert_array_equal(scaled[groups == -1], weights[groups == -1])
    assert n_scaled == over


def test_the_contract_example_of_sector_and_style():
    weights = np.array([0.2, 0.2])
    group = np.zeros(2, dtype=np.int64)
    assert scale_groups(weights, group, np.array([0.30]), np.empty(1)) == 1
    assert scale_groups(weights, group, np.array([0.25]), np.empty(1)) == 1
    np.testing.assert_allclose(weights, 0.125)


def test_the_contract_example_of_single_and_gross():
    weights = np.full(7, 0.9)
    assert clip_single(weights, 0.2) == 7
    assert scale_gross(weights, 1.0) == 1
    np.testing.assert_allclose(weights, 1 / 7)


@settings(deadline=None)
@given(weight_any, weight_any)
def test_reduce_only_never_opens(wanted, current):
    after = reduce_only(wanted, current)
    assert abs(after) <= abs(current)
    assert after * current >= 0
    if wanted * current > 0:
        assert abs(after) == min(abs(wanted), abs(current))
    else:
        assert after == 0


@settings(deadline=None)
@given(pairs_any, st.floats(0.01, 5))
def test_turnover_is_made_feasible_without_hindering_closing(pair, cap):
    wanted, current = pair
    blended = wanted.copy()
    before = np.abs(wanted - current).sum()
    assert turnover(wanted, current) == pytest.approx(before)
    if not feasible_turnover(blended, current, cap):
        np.testing.assert_array_equal(blended, wanted)
        return
    closing = sum(abs(reduce_only(w, c) - c) for w, c in zip(wanted, current, strict=True))
    assert turnover(blended, current) <= max(cap, closing) + 1e-9
    for b, w, c in zip(blended, wanted, current, strict=True):
        low, high = sorted((w, c))
        assert low - 1e-12 <= b <= high + 1e-12
        if abs(w) <= abs(c) and w * c >= 0:
            assert b == pytest.approx(w)
