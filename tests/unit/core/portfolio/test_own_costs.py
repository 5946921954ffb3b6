"""Costs are drawn from own fills, slowly while they are few, and not by the wild ones (K-30)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.portfolio.own_costs import (
    HUBER,
    PRIOR_ORDERS,
    FittedCosts,
    OrderCost,
    deviation,
    fit_costs,
    slope_scale,
)
from marketsentry.core.portfolio.profiles import CostProfile
from marketsentry.core.portfolio.trade_cost import Liquidity, estimate_cost
from marketsentry.exceptions import InputError

PRIOR = CostProfile("standard", 5.0, 3.0, 1.0)


def _planted(n: int, *, half: float, slope: float, noise: float, seed: int = 3) -> list[OrderCost]:
    chance = np.random.default_rng(seed)
    unit = chance.uniform(0.0, 10.0, n)
    slippage = half + slope * unit + noise * chance.standard_t(3, n)
    return [OrderCost(float(u), float(y), 2.0) for u, y in zip(unit, slippage, strict=True)]


def test_without_fills_the_fit_is_the_prior() -> None:
    found = fit_costs([], PRIOR)
    assert (found.fee_bps, found.half_spread_bps, found.impact_coefficient) == (5.0, 3.0, 1.0)
    assert (found.n_orders, found.own_share) == (0, 0.0)


def test_many_fills_tell_the_truth_and_few_move_a_little() -> None:
    far = [_off(fit_costs(_planted(n, half=1.0, slope=2.0, noise=0.5), PRIOR)) for n in (1, 10, 100, 5_000)]
    assert far[0] > far[1] > far[2] > far[3]
    assert far[0] > 0.8
    assert far[3] < 0.02


def _off(found: FittedCosts) -> float:
    """Distance to the planted cost of an order of usual size, as a share of that of the prior."""
    told = found.half_spread_bps + 5.0 * found.impact_coefficient
    return abs(told - 11.0) / abs(8.0 - 11.0)


def test_a_wild_fill_moves_the_fit_no_further_the_wilder_it_is() -> None:
    orders = _planted(60, half=1.0, slope=2.0, noise=0.5)
    wild, wilder = (
        fit_costs([*orders[1:], OrderCost(orders[0].unit_impact_bps, y, 2.0)], PRIOR) for y in (1e3, 1e9)
    )
    plain = fit_costs(orders, PRIOR)
    assert wilder.half_spread_bps == pytest.approx(wild.half_spread_bps, abs=1e-6)
    assert abs(wilder.half_spread_bps - plain.half_spread_bps) < 0.2


def test_fills_better_than_the_market_make_trading_free_but_not_a_gain() -> None:
    found = fit_costs([OrderCost(1.0 + i / 100, -500.0, -1.0) for i in range(200)], PRIOR)
    assert found.half_spread_bps == found.impact_coefficient == 0.0
    assert found.profile("own").fee_bps == 0.0


costs = st.builds(
    OrderCost,
    unit_impact_bps=st.floats(0, 30),
    slippage_bps=st.floats(-40, 80),
    fee_bps=st.floats(-2, 20),
)


def _objective(half: np.ndarray, slope: np.ndarray, orders: list[OrderCost], width: float) -> np.ndarray:
    unit = np.array([one.unit_impact_bps for one in orders])
    errors = np.abs(
        np.array([one.slippage_bps for one in orders]) - half[..., None] - slope[..., None] * unit
    )
    knee = HUBER * width
    losses = np.where(errors <= knee, errors**2 / 2, knee * (errors - knee / 2)).sum(axis=-1)
    pull = (half - PRIOR.half_spread_bps) ** 2 + slope_scale(unit) * (slope - PRIOR.impact_coefficient) ** 2
    return losses + PRIOR_ORDERS / 2 * pull


def _naive(orders: list[OrderCost]) -> tuple[float, float]:
    """The best of a grid over all that is allowed, made finer around the best again and again."""
    start = np.array([one.slippage_bps - 3.0 - one.unit_impact_bps for one in orders])
    low, high = np.zeros(2), np.array([100.0, 100.0])
    for _ in range(60):
        half, slope = np.meshgrid(np.linspace(low[0], high[0], 21), np.linspace(low[1], high[1], 21))
        at = np.unravel_index(np.argmin(_objective(half, slope, orders, deviation(start))), half.shape)
        best, reach = np.array([half[at], slope[at]]), (high - low) * 0.35
        low, high = np.maximum(0.0, best - reach), best + reach
    return float(best[0]), float(best[1])


@given(st.lists(costs, min_size=1, max_size=12))
def test_the_fit_is_no_worse_than_a_search_of_all_that_is_allowed(orders: list[OrderCost]) -> None:
    found = fit_costs(orders, PRIOR)
    assert min(found.half_spread_bps, found.impact_coefficient) >= 0.0
    start = np.array([one.slippage_bps - 3.0 - one.unit_impact_bps for one in orders])
    ours, naive = (
        float(_objective(np.array(half), np.array(slope), orders, deviation(start)))
        for half, slope in ((found.half_spread_bps, found.impact_coefficient), _naive(orders))
    )
    assert ours <= naive + 1e-6 * max(1.0, naive)


@given(st.lists(costs, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_sequence_of_fills_does_not_matter(orders: list[OrderCost], chance) -> None:
    shuffled = orders.copy()
    chance.shuffle(shuffled)
    one, other = fit_costs(orders, PRIOR), fit_costs(shuffled, PRIOR)
    assert one.half_spread_bps == pytest.approx(other.half_spread_bps, abs=1e-6)
    assert one.impact_coefficient == pytest.approx(other.impact_coefficient, abs=1e-6)


@given(st.lists(costs, max_size=12), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_larger_order_is_never_expected_to_be_cheaper(
    orders: list[OrderCost], notional: float, more: float
) -> None:
    profile, liquidity = fit_costs(orders, PRIOR).profile("own"), Liquidity(0.002, 1e6)
    small, large = (
        estimate_cost(amount, profile, liquidity).total_bps for amount in (notional, notional + more)
    )
    assert 0.0 <= small <= large + 1e-9


@pytest.mark.parametrize(
    "bad", [(-1.0, 0.0, 0.0), (math.nan, 0.0, 0.0), (0.0, math.nan, 0.0), (0.0, 0.0, math.inf)]
)
def test_what_is_no_number_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="must be"):
        OrderCost(*bad)
