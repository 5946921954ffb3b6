"""The bar of a Sharpe ratio: what it is, and that nobody lowers it by trying more."""

import math
from statistics import median

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from marketsentry.core.evidence.trials import RUINED_DEVIATIONS, Luck, measure_luck
from marketsentry.core.stats.deflated_sharpe import expected_maximum_sharpe

RATIOS = st.lists(st.integers(-900, 900).map(lambda k: k / 100), max_size=40)
CHANCE = st.floats(0.2, 5.0)
N_MORE = st.integers(0, 5_000)


def bar(groups: list[list[float]], n_trials: int, by_chance: float) -> float:
    return measure_luck(groups, n_trials=n_trials, by_chance=by_chance).best_of(n_trials)


def naive_bar(groups: list[list[float]], n_trials: int, by_chance: float) -> float:
    """The definition, term by term, with scipy's quantiles."""
    best = 0.0
    if n_trials > 1:
        usual, far = stats.norm.ppf([1 - 1 / n_trials, 1 - 1 / (n_trials * math.e)])
        best = (1 - np.euler_gamma) * usual + np.euler_gamma * far
    bars = [best * by_chance]
    for group in groups:
        kept = [x for x in sorted(set(group)) if x >= -8.0 * by_chance]
        if len(kept) < 2:
            continue
        middle = median(kept)
        above = [(x - middle) ** 2 for x in kept if x >= middle]
        spread = math.sqrt(len(kept) / (len(kept) - 1) * sum(above) / len(above))
        bars.append(min(0.0, middle) + best * spread)
    return max(bars)


@given(RATIOS, RATIOS, st.integers(1, 5_000), CHANCE)
def test_the_bar_agrees_with_its_definition(every, fitted, n_trials, by_chance):
    expected = naive_bar([every, fitted], n_trials, by_chance)
    assert bar([every, fitted], n_trials, by_chance) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(RATIOS, RATIOS, st.integers(1, 5_000), CHANCE)
def test_the_bar_is_never_below_chance(every, fitted, n_trials, by_chance):
    luck = measure_luck([every, fitted], n_trials=n_trials, by_chance=by_chance)
    assert luck.best_of(n_trials) >= expected_maximum_sharpe(n_trials, by_chance)
    assert luck.centre <= 0.0


@given(RATIOS, RATIOS, st.integers(1, 500), N_MORE, CHANCE)
def test_trials_without_a_place_in_the_spread_only_raise_the_bar(every, fitted, n_trials, n_more, by_chance):
    """Refused models, accounts without a ratio, and what was tried already add to the number alone."""
    before = bar([every, fitted], n_trials, by_chance)
    assert bar([every * 2, fitted * 3], n_trials + n_more, by_chance) >= before


@given(RATIOS, RATIOS, st.integers(1, 500), st.lists(st.floats(0.001, 1e3), max_size=30), CHANCE)
def test_trials_that_were_ruined_only_raise_the_bar(every, fitted, n_trials, beyond, by_chance):
    ruined = [-RUINED_DEVIATIONS * by_chance - one for one in beyond]
    before = bar([every, fitted], n_trials, by_chance)
    assert bar([every + ruined, fitted + ruined], n_trials + len(ruined), by_chance) >= before


@given(RATIOS, RATIOS, st.integers(1, 500), CHANCE)
def test_a_sweep_never_lowers_the_bar_of_the_trainings(fitted, swept, n_trials, by_chance):
    """Neither settings that lose, which pull the median down, nor settings that hardly differ."""
    before = bar([fitted, fitted], n_trials, by_chance)
    assert bar([fitted + swept, fitted], n_trials + len(swept), by_chance) >= before


@given(RATIOS, st.integers(2, 500), CHANCE)
def test_the_bar_is_that_counted_from_zero_at_most_or_chance(every, n_trials, by_chance):
    kept = np.unique([x for x in every if x >= -RUINED_DEVIATIONS * by_chance])
    assume(kept.size > 1)
    luck = measure_luck([every], n_trials=n_trials, by_chance=by_chance)
    assert luck.best_of(n_trials) <= expected_maximum_sharpe(n_trials, luck.deviation)


@pytest.mark.parametrize("kind", ["lost a little", "lost much", "hardly differ"])
def test_a_thousand_trainings_cannot_bring_the_bar_under_the_best_of_noise(kind):
    """Whoever fits models for no other reason than to lower the bar stays above what so many noise models show."""
    rng = np.random.default_rng(1)
    honest = rng.normal(-1.5, 1.5, 200).tolist()
    added = {
        "lost a little": rng.uniform(-2.0, -1.5, 1_000),
        "lost much": rng.uniform(-9.0, -6.0, 1_000),
        "hardly differ": rng.normal(0.0, 1e-3, 1_000),
    }[kind].tolist()
    best_of_noise = float(np.mean(rng.normal(0.0, 1.2, (2_000, 1_200)).max(axis=1)))
    assert bar([honest + added] * 2, 1_200, 1.2) >= 0.99 * best_of_noise


def test_costs_shift_where_luck_is_counted_from():
    """Noise that pays its costs: the bar is where the best of as many comes out, not above it by what they paid."""
    rng = np.random.default_rng(2)
    drawn = rng.normal(-1.6, 2.0, (400, 500))
    bars = [bar([row.tolist()] * 2, 500, 1.2) for row in drawn]
    assert np.mean(bars) == pytest.approx(float(drawn.max(axis=1).mean()), rel=0.05)
    assert np.mean(bars) == pytest.approx(expected_maximum_sharpe(500, 2.0) - 1.6, rel=0.05)


def test_trials_that_all_gained_are_counted_from_zero():
    assert measure_luck([[2.0, 6.0]], n_trials=30, by_chance=1.0) == Luck(0.0, pytest.approx(8.0**0.5))


def test_five_ruined_trials_do_not_close_the_track():
    four = [-0.5, 0.3, 1.0, 1.4]
    ruined = [-60.0, -50.0, -45.0, -40.0, -38.0]
    assert bar([four + ruined] * 2, 9, 1.2) == bar([four] * 2, 9, 1.2) < 2.0
