import numpy as np
import pytest

from marketsentry.core.backtest.plateau import Shape, measure_plateau
from marketsentry.exceptions import InputError

GRID = np.array([[i, j] for i in range(5) for j in range(5)], dtype=float)


def shape_of(values):
    found = measure_plateau(np.asarray(values, dtype=float), GRID, is_grid=True)
    return None if found is None else found.shape


def test_flat_ground_is_a_plateau():
    values = 2.0 - 0.1 * np.abs(GRID - 2).sum(axis=1)
    found = measure_plateau(values, GRID, is_grid=True)
    assert found.best == 12
    assert found.n_neighbours == 4
    assert found.neighbour_share == pytest.approx(0.95)
    assert found.above_zero_frac == found.all_above_zero_frac == 1.0
    assert found.shape is Shape.PLATEAU


def test_a_lone_peak_is_named():
    values = np.full(25, 0.1)
    values[12] = 2.0
    assert shape_of(values) is Shape.ALONE
    assert shape_of(np.where(values > 1, values, 1.2)) is Shape.SLOPE


def test_only_losses_are_no_hill():
    found = measure_plateau(-1.0 - GRID.sum(axis=1), GRID, is_grid=True)
    assert found.best == 0
    assert found.shape is Shape.NO_HILL
    assert found.neighbour_share is None
    assert found.document()["shape"] == "no_hill"


def test_without_values_nothing_is_best_and_without_neighbours_nothing_is_known():
    assert shape_of(np.full(25, np.nan)) is None
    lonely = np.full(25, np.nan)
    lonely[3] = 1.0
    assert shape_of(lonely) is Shape.UNKNOWN


def test_neighbours_of_draws_are_the_nearest():
    places = np.linspace(0, 1, 11)[:, None]
    values = np.zeros(11)
    values[4:7] = [1.0, 2.0, 1.8]
    found = measure_plateau(values, places, is_grid=False)
    assert found.n_neighbours == 2
    assert found.neighbour_median == pytest.approx(1.4)


def test_shapes_must_fit():
    with pytest.raises(InputError, match="places must have shape"):
        measure_plateau(np.zeros(3), GRID, is_grid=True)
