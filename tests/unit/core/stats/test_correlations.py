"""IC, rank IC and hit rate against scipy and against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from marketsentry.core.stats.hit_rate import hit_rate
from marketsentry.core.stats.ic import ic
from marketsentry.core.stats.rank_ic import average_ranks, rank_ic
from marketsentry.exceptions import InputError

Floats = NDArray[np.float64]
COARSE = st.integers(-6, 6).map(float)  # many ties
PAIRS = st.integers(3, 60).flatmap(
    lambda n: st.tuples(arrays(np.float64, n, elements=COARSE), arrays(np.float64, n, elements=COARSE))
)


def varies(*arrays_: Floats) -> bool:
    return all(np.ptp(a) > 0 for a in arrays_)


@given(PAIRS)
def test_ic_is_scipys_pearson(pair: tuple[Floats, Floats]) -> None:
    x, y = pair
    if not varies(x, y):
        assert ic(x, y) is None
        return
    assert ic(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)


@given(PAIRS)
def test_rank_ic_is_scipys_spearman_with_ties(pair: tuple[Floats, Floats]) -> None:
    x, y = pair
    if not varies(x, y):
        assert rank_ic(x, y) is None
        return
    assert rank_ic(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


@given(arrays(np.float64, st.integers(0, 40), elements=COARSE))
def test_ranks_share_their_mean(values: Floats) -> None:
    np.testing.assert_allclose(average_ranks(values), stats.rankdata(values))


def test_ic_does_not_overflow_or_underflow() -> None:
    x = np.array([1.0, 2.0, 4.0, 3.0])
    y = np.array([1.0, 2.0, 3.0, 4.0])
    for scale in (1e-200, 1.0, 1e200):
        assert ic(x * scale, y * scale) == pytest.approx(0.8, abs=1e-12)


def test_a_constant_has_no_correlation_even_when_rounding_makes_it_vary() -> None:
    almost = np.full(100, 0.1) + np.tile([0.0, 1e-17], 50)
    assert ic(almost, np.arange(100.0)) is None


def test_only_known_pairs_count() -> None:
    x = np.array([[1.0, np.nan], [3.0, 2.0], [9.0, 2.5]])
    y = np.array([[1.0, 5.0], [3.0, 2.0], [np.nan, 2.5]])
    assert ic(x, y) == pytest.approx(1.0)
    assert rank_ic(x, y) == pytest.approx(1.0)
    assert hit_rate(x, y) == 1.0


def test_too_few_pairs_give_none_not_zero() -> None:
    nothing = np.full(5, np.nan)
    assert ic(nothing, nothing) is None
    assert rank_ic(np.ones(2), np.ones(2)) is None
    assert hit_rate(nothing, nothing) is None


def test_hit_rate_counts_equal_signs_and_no_zeros() -> None:
    assert hit_rate(np.array([1.0, -1.0, 0.0, 2.0]), np.array([0.5, -2.0, 1.0, -1.0])) == 0.5


def test_hit_rate_does_not_lose_tiny_products() -> None:
    assert hit_rate(np.array([1e-200]), np.array([1e-200])) == 1.0


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match=r"were \(2,\) and \(3,\)"):
        ic(np.ones(2), np.ones(3))
