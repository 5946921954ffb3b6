"""The worked example of the R package `pbo` (CRAN, vignette "Using the PBO package"), digit by digit.

A hundred settings of 2,400 daily returns, each drawn with `rnorm` after `set.seed(765)`, scaled to one deviation and
moved to a mean of exactly zero; eight blocks, the Sharpe ratio over a riskless 3 % a year. Its summary prints

    p_bo      slope       ar^2     p_loss
    1.000000  -0.003046   0.970000  1.000000

(an older build of the same page -0.0030456). What it calls slope is the constant of the line of the ratio inside
on the ratio outside, for it takes the first coefficient of `lm(cbind(inside, outside))`.
"""

from statistics import NormalDist

import numpy as np
import pytest

from marketsentry.core.stats.pbo import backtest_overfitting, split_choices, sum_blocks

N_SETTINGS, N_DAYS, N_BLOCKS, DAYS_PER_YEAR = 100, 2_400, 8, 252.0
RISKLESS = 0.03 / DAYS_PER_YEAR


def r_normals(seed: int, n: int) -> np.ndarray:
    """What R's `rnorm(n)` gives after `set.seed(seed)`: Mersenne Twister, two draws a number, inversion (AS 241)."""
    words = []
    for _ in range(50 + 1 + 624):  # the first fifty are thrown away, the next is where R keeps the position
        seed = (69_069 * seed + 1) % 2**32
        words.append(seed)
    twister = np.random.MT19937()
    state = twister.state
    state["state"] = {"key": np.array(words[51:], dtype=np.uint32), "pos": 624}
    twister.state = state
    uniform = twister.random_raw(2 * n) * 2.3283064365386963e-10
    fine = (np.floor(2.0**27 * uniform[0::2]) + uniform[1::2]) / 2.0**27
    return np.array([NormalDist().inv_cdf(each) for each in fine])


def test_the_stream_is_that_of_r() -> None:
    """`set.seed(42); rnorm(3)`."""
    np.testing.assert_allclose(r_normals(42, 3), [1.37095845, -0.56469817, 0.36312841], atol=5e-9)


def test_the_published_example_comes_out() -> None:
    returns = r_normals(765, N_SETTINGS * N_DAYS).reshape(N_SETTINGS, N_DAYS)
    returns *= (DAYS_PER_YEAR**-0.5 / returns.std(axis=1, ddof=1))[:, None]
    returns -= returns.mean(axis=1)[:, None]
    sums = sum_blocks(returns - RISKLESS, N_BLOCKS)

    found, splits = backtest_overfitting(sums, periods_per_year=DAYS_PER_YEAR), split_choices(sums)

    assert found is not None
    assert splits is not None
    assert (found.pbo, found.probability_of_loss, found.n_splits) == (1.0, 1.0, 70)
    slope, constant = np.polyfit(splits.outside, splits.inside, 1)
    assert float(f"{constant:.5g}") == -0.0030456
    left = splits.inside - (slope * splits.outside + constant)
    r2_adjusted = 1.0 - left.var() / splits.inside.var() * 69 / 68
    assert float(f"{r2_adjusted:.2g}") == 0.97
    # On the axes of the paper, outside on inside; its size is that of both lines' common correlation.
    assert found.degradation_slope == pytest.approx((1.0 - left.var() / splits.inside.var()) / slope)
