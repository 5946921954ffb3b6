"""Exact intervals of a share, against scipy's beta quantiles and against their own promise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from marketsentry.core.stats.binomial import binomial_bounds, probability_at_least, probability_at_most
from marketsentry.exceptions import InputError

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None)
@given(COUNTS, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_bounds_are_quantiles_of_the_beta_law(counts, level):
    k, n = counts
    bounds = binomial_bounds(k, n, level=level)
    tail = (1 - level) / 2
    assert bounds.low == pytest.approx(stats.beta.ppf(tail, k, n - k + 1) if k else 0.0, abs=1e-9)
    assert bounds.high == pytest.approx(stats.beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0, abs=1e-9)


@settings(deadline=None)
@given(COUNTS, st.floats(0, 1))
def test_tails_are_those_of_the_binomial_law(counts, share):
    k, n = counts
    assert probability_at_most(k, n, share) == pytest.approx(
        stats.binom.cdf(k, n, share), rel=1e-8, abs=1e-12
    )
    assert probability_at_least(k, n, share) == pytest.approx(
        stats.binom.sf(k - 1, n, share), rel=1e-8, abs=1e-12
    )


def test_none_of_three_hundred_bounds_the_share_at_one_percent():
    assert binomial_bounds(0, 300, level=0.9).high == pytest.approx(0.00994, abs=1e-5)


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_counts_out_of_range_are_refused(k, n):
    with pytest.raises(InputError, match=f"were k = {k} and n = {n}"):
        binomial_bounds(k, n, level=0.9)


def test_other_numbers_out_of_range_are_refused():
    with pytest.raises(InputError, match="level must be in"):
        binomial_bounds(1, 2, level=1.0)
    with pytest.raises(InputError, match="share must be in"):
        probability_at_most(1, 2, 1.5)
