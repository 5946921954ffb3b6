import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from marketsentry.core.evidence.paired import DRAWS, paired_test
from marketsentry.core.evidence.resampling import Resampling
from marketsentry.core.stats.bootstrap import MIN_BLOCKS, widened
from marketsentry.core.stats.sharpe import sharpe
from marketsentry.exceptions import InputError

YEAR = 8_760.0
HOW = Resampling(7, at_least_bars=4, n_resamples=200)


def correlated(seed, n, *, persistence=0.3):
    """Two return series that share a market and remember a little."""
    rng = np.random.default_rng(seed)
    shocks = 0.5 * rng.standard_normal((n, 2)) + rng.standard_normal((n, 1))
    for t in range(1, n):
        shocks[t] += persistence * shocks[t - 1]
    return 0.004 * shocks.T


def naive_paired(own, other, how, block_bars):
    """Draw the bars themselves, then recompute everything from the drawn returns."""
    import zlib

    n = own.size
    n_blocks = -(-n // block_bars)
    rng = np.random.default_rng([how.seed, zlib.crc32(DRAWS.encode())])
    starts = rng.integers(0, n, (how.n_resamples, n_blocks))
    excesses, leads = [], []
    for row in starts:
        bars = np.concatenate([(start + np.arange(block_bars)) % n for start in row])[:n]
        a, b = own[bars], other[bars]
        excesses.append((a.mean() - b.mean()) * YEAR)
        leads.append((a.mean() / a.std(ddof=1) - b.mean() / b.std(ddof=1)) * np.sqrt(YEAR))
    excess = (own.mean() - other.mean()) * YEAR
    lead = sharpe(own, periods_per_year=YEAR).value - sharpe(other, periods_per_year=YEAR).value
    found = []
    for value, resampled in ((excess, excesses), (lead, leads)):
        draws = widened(np.array(resampled), n_blocks=n / block_bars, level=how.level)
        p = (1 + sum(abs(draw - value) >= abs(value) for draw in draws)) / (1 + draws.size)
        margin = np.quantile([abs(draw - value) for draw in draws], 0.95)
        found.append((value, value - margin, value + margin, p))
    return found


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(60, 200))
def test_the_test_agrees_with_drawing_every_bar(seed, n):
    own, other = correlated(seed, n)
    result = paired_test(own, other, periods_per_year=YEAR, how=HOW)
    assume(n >= MIN_BLOCKS * result.block_bars)  # of fewer blocks nothing is claimed
    expected = naive_paired(own, other, HOW, result.block_bars)
    for found, (value, low, high, p) in zip((result.excess, result.sharpe), expected, strict=True):
        assert found.value == pytest.approx(value, rel=1e-9, abs=1e-9)
        if found.bounds is not None:
            assert (found.bounds.low, found.bounds.high) == pytest.approx((low, high), rel=1e-7, abs=1e-7)
            assert found.p_value == pytest.approx(p, abs=1.5 / 201)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(30, 300))
def test_the_other_order_changes_the_sign_alone(seed, n):
    own, other = correlated(seed, n)
    there = paired_test(own, other, periods_per_year=YEAR, how=HOW)
    back = paired_test(other, own, periods_per_year=YEAR, how=HOW)
    for one, two in ((there.excess, back.excess), (there.sharpe, back.sharpe)):
        assert one.value == -two.value
        assert one.p_value == two.p_value
        if one.bounds is not None:
            assert one.bounds.low == pytest.approx(-two.bounds.high, rel=1e-12, abs=1e-12)
            assert one.bounds.high == pytest.approx(-two.bounds.low, rel=1e-12, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(60, 300))
def test_an_account_against_itself_differs_by_nothing(seed, n):
    own, _ = correlated(seed, n)
    result = paired_test(own, own.copy(), periods_per_year=YEAR, how=HOW)
    for found in (result.excess, result.sharpe):
        assert (found.value, found.bounds.low, found.bounds.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-0.001, 0.001))
def test_the_interval_says_what_the_p_value_says(seed, shift):
    own, other = correlated(seed, 200)
    result = paired_test(own + shift, other, periods_per_year=YEAR, how=HOW)
    for found in (result.excess, result.sharpe):
        if found.bounds is not None and not 0.03 < found.p_value < 0.07:
            assert (found.bounds.low <= 0.0 <= found.bounds.high) == (found.p_value > 0.05)


def test_equal_accounts_are_rarely_told_apart():
    """The size of the test over 400 pairs without a difference: 5 % and the little that a bootstrap is over it."""
    how = Resampling(3, at_least_bars=4, n_resamples=300)
    rejected = np.zeros(2)
    for seed in range(400):
        result = paired_test(*correlated(seed, 1_500), periods_per_year=YEAR, how=how)
        rejected += [result.excess.p_value < 0.05, result.sharpe.p_value < 0.05]
    assert (rejected / 400 >= 0.02).all()
    assert (rejected / 400 <= 0.085).all()


def test_a_planted_difference_is_found_through_the_noise_both_share():
    how = Resampling(3, at_least_bars=4, n_resamples=300)
    found = 0
    for seed in range(60):
        own, other = correlated(seed, 1_500)
        result = paired_test(own + 0.0006, other, periods_per_year=YEAR, how=how)
        found += result.excess.p_value < 0.05 and result.sharpe.p_value < 0.05 and result.excess.value > 0
    assert found >= 57


def test_too_few_blocks_leave_the_value_alone():
    own, other = correlated(1, 12)
    how = Resampling(7, at_least_bars=4, n_resamples=200)
    result = paired_test(own, other, periods_per_year=YEAR, how=how)
    assert result.excess.value is not None
    assert (result.excess.bounds, result.excess.p_value) == (None, None)


def test_an_account_that_never_moved_has_no_sharpe_to_compare():
    own, _ = correlated(1, 200)
    result = paired_test(own, np.zeros(200), periods_per_year=YEAR, how=HOW)
    assert result.excess.p_value is not None
    assert (result.sharpe.value, result.sharpe.bounds, result.sharpe.p_value) == (None, None, None)


def test_an_account_without_equity_leaves_nothing_to_test():
    own, other = correlated(1, 200)
    own[50:] = np.nan
    result = paired_test(own, other, periods_per_year=YEAR, how=HOW)
    assert (result.excess.value, result.sharpe.value, result.block_bars) == (None, None, None)


@pytest.mark.parametrize(("own", "other"), [(np.zeros(3), np.zeros(4)), (np.zeros(0), np.zeros(0))])
def test_series_of_different_bars_are_refused(own, other):
    with pytest.raises(InputError, match="returns must have one shape"):
        paired_test(own, other, periods_per_year=YEAR, how=HOW)


def test_a_year_without_periods_is_refused():
    with pytest.raises(InputError, match="periods_per_year must be > 0"):
        paired_test(np.zeros(3), np.zeros(3), periods_per_year=np.nan, how=HOW)
