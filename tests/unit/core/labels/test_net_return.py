import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.labels.net_return import estimated_cost_frac, net_forward_return


@given(gross=st.floats(-0.5, 0.5), cost=st.floats(0, 0.1))
def test_cost_is_symmetric_and_never_turns_a_move_around(gross: float, cost: float):
    """K-54: a cost taken off one side only would call every quiet market a short."""
    net, mirrored = (float(net_forward_return(np.array(g), cost)) for g in (gross, -gross))
    assert net == -mirrored
    assert net * gross >= 0
    assert abs(net) == pytest.approx(max(abs(gross) - cost, 0), abs=1e-15)


def test_a_move_within_the_cost_is_nothing():
    assert net_forward_return(np.array([7e-4, -7e-4, 0.0]), 8e-4).tolist() == [0.0, 0.0, 0.0]


def test_the_unknown_stays_unknown():
    assert np.isnan(net_forward_return(np.array([np.nan, 0.1]), np.array([0.0, np.nan]))).all()


@pytest.mark.parametrize(
    ("imbalance", "cost_bps"),
    [(0.0, 8.0), (1.0, 13.0), (-1.0, 13.0), (4.0, 28.0), (100.0, 28.0), (np.nan, 8.0)],
)
def test_the_cost_grows_with_imbalance_up_to_a_cap(imbalance: float, cost_bps: float):
    assert estimated_cost_frac(np.array(imbalance)) == pytest.approx(cost_bps * 1e-4)
