"""The block bootstrap against a slow twin, and its intervals against a known truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from marketsentry.core.stats.bootstrap import Bounds, block_length, bounds_of, resampled_sums, widened
from marketsentry.exceptions import InputError


def naive_resampled_sums(terms, block_bars, n_resamples, rng):
    n_bars = len(terms)
    starts = rng.integers(0, n_bars, (n_resamples, math.ceil(n_bars / block_bars)))
    sums = []
    for row in starts:
        bars = [(start + k) % n_bars for start in row for k in range(block_bars)][:n_bars]
        sums.append(sum(terms[bar] for bar in bars))
    return np.array(sums)


@settings(deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.floats(-1e3, 1e3)),
    st.integers(1, 30),
    st.integers(0, 99),
)
def test_sums_agree_with_drawing_the_bars_one_by_one(terms, block_bars, seed):
    block_bars = min(block_bars, len(terms))
    drawn = resampled_sums(terms, block_bars=block_bars, n_resamples=4, rng=np.random.default_rng(seed))
    expected = naive_resampled_sums(terms, block_bars, 4, np.random.default_rng(seed))
    np.testing.assert_allclose(drawn, expected, rtol=0, atol=1e-9)


def test_many_resamples_are_drawn_in_parts_without_a_seam():
    terms = np.random.default_rng(0).normal(size=(9_000, 2))
    drawn = resampled_sums(terms, block_bars=2, n_resamples=150, rng=np.random.default_rng(1))
    starts = np.random.default_rng(1).integers(0, 9_000, (150, 4_500))
    for k in (0, 57, 58, 149):
        bars = (starts[k][:, None] + np.arange(2)) % 9_000
        np.testing.assert_allclose(drawn[k], terms[bars.ravel()].sum(axis=0), atol=1e-9)


def test_a_constant_column_counts_the_bars_of_every_resample():
    drawn = resampled_sums(np.ones((101, 1)), block_bars=7, n_resamples=20, rng=np.random.default_rng(2))
    np.testing.assert_allclose(drawn, 101.0)


def autoregressive(rng, n, memory):
    noise = rng.normal(size=n)
    out = np.empty(n)
    out[0] = noise[0]
    for t in range(1, n):
        out[t] = memory * out[t - 1] + noise[t]
    return out


def test_blocks_grow_with_memory():
    rng = np.random.default_rng(3)
    lengths = [
        np.median([block_length(autoregressive(rng, 4_000, phi), at_least=1) for _ in range(9)])
        for phi in (0.0, 0.7, 0.95)
    ]
    assert lengths[0] == math.ceil(4_000 ** (1 / 3))
    assert lengths[0] < lengths[1] < lengths[2]


def test_the_rule_agrees_with_its_formula_for_known_memory():
    """For an AR(1) g(0) = s^2 / (1 - p)^2 and G = 2 p s^2 / ((1 - p)^2 (1 - p^2))."""
    phi, n = 0.7, 200_000
    length = block_length(autoregressive(np.random.default_rng(4), n, phi), at_least=1)
    spectrum = 1.0 / (1 - phi) ** 2
    slope = 2 * phi / ((1 - phi) ** 2 * (1 - phi**2))
    expected = (2 * slope**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * n ** (1 / 3)
    assert length == pytest.approx(expected, rel=0.15)


def test_a_block_is_never_shorter_than_the_horizon():
    assert block_length(np.random.default_rng(5).normal(size=1_000), at_least=48) == 48
    assert block_length(np.zeros(1_000), at_least=2) == 10


def test_intervals_of_a_dependent_mean_cover_the_truth():
    """Nine of ten, where the textbook interval for independent terms covers barely half."""
    rng = np.random.default_rng(6)
    covered = naive = 0
    for _ in range(200):
        series = autoregressive(rng, 1_500, 0.8)
        length = block_length(series, at_least=1)
        draws = resampled_sums(series[:, None], block_bars=length, n_resamples=200, rng=rng)[:, 0] / 1_500
        bounds = bounds_of(draws, level=0.9)
        assert bounds is not None
        covered += bounds.low <= 0.0 <= bounds.high
        naive += abs(series.mean()) <= 1.645 * series.std() / math.sqrt(1_500)
    assert 0.83 < covered / 200 < 0.96
    assert naive / 200 < 0.6


def test_few_blocks_widen_an_interval_about_its_middle():
    draws = np.linspace(-1.0, 3.0, 101)
    wide = widened(draws, n_blocks=10, level=0.95)
    assert np.median(wide) == pytest.approx(1.0)
    exact = math.sqrt(10 / 9) * stats.t.ppf(0.975, 9) / stats.norm.ppf(0.975)
    assert np.ptp(wide) / np.ptp(draws) == pytest.approx(exact, rel=1e-3)
    np.testing.assert_allclose(widened(draws, n_blocks=1e9, level=0.95), draws, atol=1e-6)


def test_widening_keeps_what_is_undefined():
    wide = widened(np.array([np.nan, 1.0, 2.0]), n_blocks=7, level=0.9)
    assert np.isnan(wide).tolist() == [True, False, False]
    assert np.isnan(widened(np.full(3, np.nan), n_blocks=7, level=0.9)).all()


def test_means_of_few_independent_terms_are_covered_once_widened():
    """With seven blocks the plain interval of a mean falls short of nine in ten by far; the widened one does not."""
    rng = np.random.default_rng(8)
    plain = mended = 0
    for _ in range(600):
        draws = resampled_sums(rng.normal(size=(70, 1)), block_bars=10, n_resamples=200, rng=rng)[:, 0]
        for wide in (False, True):
            bounds = bounds_of(widened(draws, n_blocks=7, level=0.9) if wide else draws, level=0.9)
            assert bounds is not None
            held = bounds.low <= 0.0 <= bounds.high
            plain, mended = plain + (held and not wide), mended + (held and wide)
    assert plain / 600 < 0.86
    assert 0.86 < mended / 600 < 0.94


def test_bounds_need_a_statistic_that_is_defined():
    draws = np.arange(101.0)
    assert bounds_of(draws, level=0.5) == Bounds(25.0, 75.0)
    draws[0] = np.nan
    assert bounds_of(draws, level=0.9) is not None
    draws[:5] = np.nan
    assert bounds_of(draws, level=0.9) is None
    assert bounds_of(np.empty(0), level=0.9) is None


def test_out_of_range_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"block_bars must be in 1\.\.3, was 4"):
        resampled_sums(np.zeros((3, 1)), block_bars=4, n_resamples=1, rng=rng)
    with pytest.raises(InputError, match="n_resamples must be >= 1"):
        resampled_sums(np.zeros((3, 1)), block_bars=1, n_resamples=0, rng=rng)
    with pytest.raises(InputError, match="terms must have shape"):
        resampled_sums(np.zeros((0, 1)), block_bars=1, n_resamples=1, rng=rng)
    with pytest.raises(InputError, match="series must be finite"):
        block_length(np.array([np.nan]), at_least=1)
    with pytest.raises(InputError, match="at_least"):
        block_length(np.zeros(3), at_least=0)
    with pytest.raises(InputError, match="level"):
        bounds_of(np.zeros(3), level=1.0)
    with pytest.raises(InputError, match="n_blocks must be >= 5, was 4"):
        widened(np.zeros(3), n_blocks=4, level=0.9)
    with pytest.raises(InputError, match="level"):
        widened(np.zeros(3), n_blocks=9, level=0.0)
