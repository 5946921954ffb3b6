"""Bands of resampled paths against drawing them bar by bar, and against what they must cover."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.core.stats.path_band import path_band
from marketsentry.exceptions import InputError


def naive_paths(returns, block_bars, n_resamples, rng):
    n_bars = len(returns)
    starts = rng.integers(0, n_bars, (n_resamples, math.ceil(n_bars / block_bars)))
    paths = []
    for row in starts:
        bars = [(start + k) % n_bars for start in row for k in range(block_bars)][:n_bars]
        path, level = [], 1.0
        for bar in bars:
            level *= 1.0 + returns[bar]
            path.append(level)
        paths.append(path)
    return np.array(paths)


@settings(deadline=None)
@given(
    arrays(np.float64, st.integers(1, 40), elements=st.floats(-0.5, 0.5)),
    st.integers(1, 40),
    st.integers(0, 99),
)
def test_quantiles_agree_with_compounding_bar_by_bar(returns, block_bars, seed):
    block_bars = min(block_bars, returns.size)
    band = path_band(
        returns,
        rows=np.arange(returns.size),
        block_bars=block_bars,
        n_resamples=11,
        level=0.8,
        rng=np.random.default_rng(seed),
    )
    # With 11 paths the tails of one in ten are order statistics: the second lowest and the second highest.
    paths = np.sort(naive_paths(returns, block_bars, 11, np.random.default_rng(seed)), axis=0)
    np.testing.assert_allclose(band.low, paths[1], rtol=1e-9)
    np.testing.assert_allclose(band.middle, paths[5], rtol=1e-9)
    np.testing.assert_allclose(band.high, paths[9], rtol=1e-9)


def test_a_few_rows_of_a_long_path_are_those_of_all_rows_and_parts_have_no_seam():
    returns = np.random.default_rng(0).normal(0, 0.01, 30_000)
    rows = np.array([0, 17, 4_999, 29_999])
    arguments = {"block_bars": 10, "n_resamples": 1_000, "level": 0.9}
    few = path_band(returns, rows=rows, rng=np.random.default_rng(4), **arguments)
    logs = np.log1p(returns)
    starts = np.random.default_rng(4).integers(0, 30_000, (1_000, 3_000))
    bars = (starts[:, :, None] + np.arange(10)) % 30_000
    totals = logs[bars].sum(axis=(1, 2))
    expected = np.exp(np.quantile(totals, (0.05, 0.95)))
    np.testing.assert_allclose((few.low[-1], few.high[-1]), expected, rtol=1e-9)


def test_constant_returns_leave_no_room():
    band = path_band(
        np.full(50, 0.01),
        rows=np.arange(50),
        block_bars=7,
        n_resamples=20,
        level=0.9,
        rng=np.random.default_rng(1),
    )
    growth = 1.01 ** np.arange(1, 51)
    for one in (band.low, band.middle, band.high):
        np.testing.assert_allclose(one, growth, rtol=1e-12)


def test_the_band_holds_the_wanted_share_of_fresh_paths_at_a_bar():
    rng = np.random.default_rng(2)
    seen = rng.normal(0.0, 0.01, 4_000)
    band = path_band(
        seen, rows=np.array([999]), block_bars=16, n_resamples=2_000, level=0.9, rng=np.random.default_rng(3)
    )
    fresh = np.prod(1.0 + rng.normal(seen.mean(), seen.std(), (4_000, 1_000)), axis=1)
    share = ((fresh >= band.low[0]) & (fresh <= band.high[0])).mean()
    assert 0.87 < share < 0.93


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"returns": np.array([0.1, -1.0])}, "above -1, was -1.0"),
        ({"returns": np.array([0.1, np.nan])}, "finite"),
        ({"returns": np.empty(0)}, "finite with shape"),
        ({"rows": np.array([2])}, r"in 0\.\.1, was 2\.\.2"),
        ({"block_bars": 3}, r"in 1\.\.2, was 3"),
        ({"n_resamples": 0}, ">= 1, was 0"),
        ({"level": 1.0}, r"in \(0, 1\), was 1.0"),
    ],
)
def test_what_cannot_be_resampled_is_refused_by_name(changes, message):
    arguments = {
        "returns": np.array([0.1, 0.2]),
        "rows": np.array([0, 1]),
        "block_bars": 1,
        "n_resamples": 5,
        "level": 0.9,
        "rng": np.random.default_rng(0),
        **changes,
    }
    with pytest.raises(InputError, match=message):
        path_band(arguments.pop("returns"), **arguments)
