import numpy as np
import pytest

from marketsentry.core.labels.direction import DIRECTION_NAMES, direction
from marketsentry.exceptions import InputError


def test_the_band_is_symmetric_and_its_edge_is_neutral():
    classes = direction(np.array([0.0051, 0.005, 0.0, -0.005, -0.0051]))
    assert [DIRECTION_NAMES[c] for c in classes] == ["up", "neutral", "neutral", "neutral", "down"]


def test_the_unknown_stays_unknown():
    assert np.isnan(direction(np.array([np.nan]))).all()


def test_without_a_band_only_zero_is_neutral():
    assert direction(np.array([1e-12, 0.0, -1e-12]), 0.0).tolist() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize("threshold", [-0.1, np.nan])
def test_a_threshold_below_zero_is_refused(threshold: float):
    with pytest.raises(InputError, match="threshold_frac must be >= 0"):
        direction(np.zeros(1), threshold)
