"""The truth of the planted market is what its equations say, measured where luck is small."""

import math

import numpy as np
import pytest

from marketsentry.core.known_truth.planted import Planted, draw_noise, draw_planted, log_outcome
from marketsentry.core.stats.ic import ic
from marketsentry.exceptions import InputError

N_BARS = 400_000


@pytest.mark.parametrize(
    "planted",
    [
        Planted(horizon_bars=1, edge=0.2, memory=0.5),
        Planted(horizon_bars=4, edge=0.1, memory=0.9),
        Planted(horizon_bars=24, edge=0.1, memory=0.97, log_vol_deviation=0.0),
        Planted(horizon_bars=12, edge=0.3, memory=0.8, log_vol_deviation=0.6, log_vol_memory=0.9),
    ],
)
def test_a_long_market_shows_the_population_ic(planted):
    said, close = draw_planted(planted, n_bars=N_BARS, n_symbols=1, rng=np.random.default_rng(1))
    measured = ic(said, log_outcome(close, planted.horizon_bars))
    # neighbouring terms share both the outcome and the memory of what was said
    n_independent = N_BARS / min(planted.horizon_bars, (1 + planted.memory) / (1 - planted.memory))
    assert measured == pytest.approx(planted.population_ic(), abs=5 / math.sqrt(n_independent))


def test_one_bar_has_the_edge_itself_as_its_ic():
    assert Planted(
        horizon_bars=1, edge=0.2, memory=0.5, log_vol_deviation=0.0
    ).population_ic() == pytest.approx(0.2)


def test_no_edge_is_no_ic():
    assert Planted(horizon_bars=24, edge=0.0, memory=0.9).population_ic() == 0.0


def test_without_memory_only_one_bar_of_the_horizon_is_foretold():
    planted = Planted(horizon_bars=9, edge=0.3, memory=0.0, log_vol_deviation=0.0)
    assert planted.population_ic() == pytest.approx(0.3 / math.sqrt(9))


def test_noise_is_as_long_and_as_sure_as_it_says():
    drawn = draw_noise(n_bars=50_000, n_symbols=3, bars_per_hour=1.0, rng=np.random.default_rng(2))
    assert drawn.shape == (50_000, 3)
    assert 8e-4 < drawn.std() < 70e-4
    assert np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1] > 0.65  # a half-life of two hours at least


def test_what_cannot_be_planted_is_refused():
    with pytest.raises(InputError, match=r"edge must be in \[0, 1\), was 1"):
        Planted(horizon_bars=1, edge=1.0, memory=0.5)
    with pytest.raises(InputError, match="memories must be in"):
        Planted(horizon_bars=1, edge=0.1, memory=1.0)
