import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.stats.pbo import BlockSums, backtest_overfitting, split_choices, sum_blocks
from marketsentry.core.stats.sharpe import sharpe, sharpe_from_sums
from marketsentry.exceptions import InputError


def naive_splits(returns: np.ndarray, n_blocks: int) -> list[tuple[int, float, float, float]]:
    """The algorithm on the whole matrix (P, T), split by split: chosen, inside, outside, relative rank."""
    n_settings, n = returns.shape
    edges = [n * i // n_blocks for i in range(n_blocks + 1)]
    blocks = [returns[:, a:b] for a, b in itertools.pairwise(edges)]

    def ratios(chosen: tuple[int, ...]) -> list[float]:
        joined = np.concatenate([blocks[i] for i in chosen], axis=1)
        found = [sharpe(row, periods_per_year=1.0) for row in joined]
        return [0.0 if one is None else one.value for one in found]

    rows = []
    for inner in itertools.combinations(range(n_blocks), n_blocks // 2):
        inside, outside = (
            ratios(inner),
            ratios(tuple(i for i in range(n_blocks) if i not in inner)),
        )
        best = inside.index(max(inside))
        below = sum(one < outside[best] for one in outside)
        level = sum(one == outside[best] for one in outside)
        rows.append((best, inside[best], outside[best], (below + (level + 1) / 2) / (n_settings + 1)))
    return rows


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_settings=st.integers(2, 9),
    n_blocks=st.sampled_from([2, 4, 6]),
    extra=st.integers(0, 40),
    idle=st.booleans(),
)
def test_the_sums_say_what_the_whole_matrix_says(
    seed: int, n_settings: int, n_blocks: int, extra: int, idle: bool
) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.normal(1e-4, 0.01, (n_settings, 3 * n_blocks + extra))
    if idle:
        returns[0] = 0.0
    expected = naive_splits(returns, n_blocks)

    found = split_choices(sum_blocks(returns, n_blocks))

    assert found is not None
    chosen, inside, outside, rank = (np.array(column) for column in zip(*expected, strict=True))
    np.testing.assert_array_equal(found.chosen, chosen)
    np.testing.assert_allclose(found.inside, inside, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.outside, outside, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.rank_frac, rank, rtol=1e-12)
    whole = backtest_overfitting(sum_blocks(returns, n_blocks), periods_per_year=365.0)
    assert whole is not None
    logits = np.log(rank / (1.0 - rank))
    assert whole.pbo == pytest.approx(np.mean(logits <= 1e-12), abs=1e-12)
    assert whole.probability_of_loss == pytest.approx(np.mean(outside < 0.0), abs=1e-12)
    if whole.degradation_slope is not None:
        assert whole.degradation_slope == pytest.approx(np.polyfit(inside, outside, 1)[0], rel=1e-7, abs=1e-9)
    assert whole.n_splits == math.comb(n_blocks, n_blocks // 2) == sum(whole.rank_tenths)
    assert whole.inside_sharpe_median == pytest.approx(np.median(inside) * math.sqrt(365.0))


def noise(seed: int, n_settings: int = 40, n: int = 640) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.01, (n_settings, n))


def test_the_best_of_noise_ranks_anywhere() -> None:
    sums = [sum_blocks(noise(seed), 8) for seed in range(40)]
    found = [backtest_overfitting(one, periods_per_year=365.0) for one in sums]
    shares = [one.pbo for one in found if one is not None]
    assert len(shares) == 40
    # a mean of 40 with a spread of about 0.25 each
    assert np.mean(shares) == pytest.approx(0.5, abs=0.12)


def test_one_truly_better_setting_is_found_again() -> None:
    returns = noise(1)
    returns[17] += 0.003
    found = backtest_overfitting(sum_blocks(returns), periods_per_year=365.0)
    assert found is not None
    assert (found.n_settings, found.n_blocks, found.n_splits) == (40, 16, 12_870)
    assert found.pbo < 0.01
    assert found.probability_of_loss < 0.01
    assert found.outside_sharpe_median == pytest.approx(0.3 * math.sqrt(365.0), rel=0.2)


def test_settings_that_are_all_the_same_cannot_be_chosen_from() -> None:
    found = backtest_overfitting(sum_blocks(np.tile(noise(2, 1), (7, 1))), periods_per_year=365.0)
    assert found is not None
    assert found.pbo == 1.0, "a rank at the median is not above it"
    assert found.rank_tenths[5] == found.n_splits


def test_what_was_best_before_is_worst_after_where_gains_are_bought_with_losses() -> None:
    """Each setting has the same total whatever the half: what it won inside it lost outside."""
    wins = np.array(list(itertools.product([1.0, -1.0], repeat=4)))
    wins = wins[wins.sum(axis=1) == 0.0]
    quiet = np.random.default_rng(3).normal(0.0, 1e-3, 50)
    quiet -= quiet.mean()
    returns = np.concatenate([1e-3 * wins[:, [i]] + quiet for i in range(4)], axis=1)
    found = backtest_overfitting(sum_blocks(returns, 4), periods_per_year=1.0)
    assert found is not None
    assert found.pbo == 1.0
    assert found.probability_of_loss == 1.0


def test_a_ruined_setting_ranks_last_and_is_never_chosen() -> None:
    returns = noise(4, 3)
    returns[1] += 1.0
    sums = sum_blocks(returns, 4)
    sums.total[1, 3] = np.nan
    found = split_choices(sums)
    assert found is not None
    assert 1 not in found.chosen
    assert found.rank_frac.min() >= 0.5, "of three, one is always below"
    assert np.isfinite(found.outside).all()


def test_nothing_to_choose_from_is_no_probability() -> None:
    assert backtest_overfitting(sum_blocks(np.zeros((3, 64))), periods_per_year=1.0) is None
    sums = sum_blocks(noise(5, 2))
    sums.total[:] = np.nan
    assert backtest_overfitting(sum_blocks(noise(5, 1)), periods_per_year=1.0) is None
    assert backtest_overfitting(sum_blocks(noise(5, 3, 31)), periods_per_year=1.0) is None
    assert backtest_overfitting(sums, periods_per_year=1.0) is None


def test_many_settings_are_looked_at_in_parts() -> None:
    sums = sum_blocks(noise(6, 30), 8)
    whole = split_choices(sums)
    parts = split_choices(sums, cells_at_once=100)
    assert whole is not None
    assert parts is not None
    np.testing.assert_array_equal(whole.chosen, parts.chosen)
    np.testing.assert_allclose(whole.outside, parts.outside, rtol=1e-12)


@pytest.mark.parametrize(
    ("sums", "words"),
    [
        (sum_blocks(np.ones((2, 9)), 3), r"n_blocks must be even and in 2\.\.20, was 3"),
        (sum_blocks(np.ones((2, 44)), 22), r"in 2\.\.20, was 22"),
    ],
)
def test_what_cannot_be_split_is_refused(sums: BlockSums, words: str) -> None:
    with pytest.raises(InputError, match=words):
        split_choices(sums)


def test_sums_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(n_settings, 4\), were \(2, 5\)"):
        BlockSums(np.ones(4), np.ones((2, 5)), np.ones((2, 5)))
    with pytest.raises(InputError, match=">= 16 bars for as many blocks, had 15"):
        sum_blocks(np.ones((2, 15)))


def test_a_ratio_from_sums_is_the_ratio() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(1e-3, 0.02, (5, 300))
    x[3], x[4] = 0.0, 0.25
    found = sharpe_from_sums(np.float64(300.0) * np.ones(5), x.sum(axis=1), (x**2).sum(axis=1))
    for row, one in zip(x[:3], found[:3], strict=True):
        expected = sharpe(row, periods_per_year=1.0)
        assert expected is not None
        assert one == pytest.approx(expected.value, rel=1e-12)
    assert np.isnan(found[3:]).all(), "returns that do not vary have no ratio"
