import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as run_with
from hypothesis import strategies as st

from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.search import (
    MAX_SETTINGS,
    SEARCHED,
    Axis,
    Method,
    Search,
    parse_grid,
    parse_range,
    places_of,
    settings_of,
    valid_sets,
)
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import InputError

BASE = params_for(parse_interval("1h"), 4)
FEES, LAGS = Axis("fee_bps", (0.0, 5.0)), Axis("latency_bars", (1, 2, 3))


def test_a_grid_is_every_combination_the_last_axis_fastest():
    settings = settings_of(Search(Method.GRID, (FEES, LAGS)))
    assert [(one["fee_bps"], one["latency_bars"]) for one in settings] == [
        (0.0, 1), (0.0, 2), (0.0, 3), (5.0, 1), (5.0, 2), (5.0, 3)
    ]  # fmt: skip


def test_values_are_read_as_what_they_are():
    assert parse_grid("fee_bps=0,2.5").values == (0.0, 2.5)
    assert parse_grid("latency_bars=1,2") == Axis("latency_bars", (1, 2))
    assert parse_grid("allow_short=true,false").values == (True, False)
    assert parse_grid("position_volatility_frac=none,0.2").values == (None, 0.2)
    assert parse_grid("participation_frac=inf").values == (math.inf,)
    assert parse_range("fee_bps=-0:2") == Axis("fee_bps", (0.0, 2.0))


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (parse_grid, "entry=1", "must be one of capital_quote, fee_bps"),
        (parse_grid, "horizon_bars=1", "was 'horizon_bars'"),
        (parse_grid, "fee_bps", "NAME=VALUE"),
        (parse_grid, "fee_bps=a", "fee_bps must be a number, was 'a'"),
        (parse_grid, "fee_bps=nan", "fee_bps must be a number"),
        (parse_grid, "latency_bars=1.5", "latency_bars must be a whole number"),
        (parse_grid, "allow_short=1", "allow_short must be true or false"),
        (parse_grid, "fee_bps=1,1", "must differ"),
        (parse_range, "fee_bps=2:1", "LOW < HIGH"),
        (parse_range, "fee_bps=2", "LOW:HIGH"),
        (parse_range, "fee_bps=0:inf", "LOW:HIGH"),
        (parse_range, "allow_short=false:true", "LOW:HIGH"),
    ],
)
def test_what_cannot_be_read_is_refused(parse, text, words):
    with pytest.raises(InputError, match=words):
        parse(text)


def test_a_search_is_neither_empty_nor_endless():
    with pytest.raises(InputError, match="at least one parameter"):
        Search(Method.GRID, ())
    with pytest.raises(InputError, match="named once"):
        Search(Method.GRID, (FEES, FEES))
    with pytest.raises(InputError, match="was 0"):
        Search(Method.RANDOM, (Axis("fee_bps", (0.0, 1.0)),))
    with pytest.raises(InputError, match=r"1\.\.200,000 settings"):
        Search(Method.SOBOL, (Axis("fee_bps", (0.0, 1.0)),), n_draws=MAX_SETTINGS + 1)


@run_with(deadline=None)
@given(
    method=st.sampled_from([Method.RANDOM, Method.SOBOL]),
    n=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
)
def test_draws_lie_in_their_ranges_and_come_back_from_their_seed(method, n, seed):
    axes = (Axis("fee_bps", (1.0, 9.0)), Axis("latency_bars", (2, 4)))
    search = Search(method, axes, n_draws=n, seed=seed)

    settings = settings_of(search)

    assert settings == settings_of(search)
    assert len(settings) == n
    assert all(1.0 <= one["fee_bps"] <= 9.0 and one["latency_bars"] in (2, 3, 4) for one in settings)
    places = places_of(search, settings)
    assert places.shape == (n, 2)
    assert ((places >= 0) & (places <= 1)).all()


def test_sobol_points_fill_the_range_evenly():
    settings = settings_of(Search(Method.SOBOL, (Axis("fee_bps", (0.0, 16.0)),), n_draws=16, seed=3))
    assert sorted(int(one["fee_bps"]) for one in settings) == list(range(16))


def test_places_on_a_grid_are_steps():
    search = Search(Method.GRID, (FEES, LAGS))
    places = places_of(search, settings_of(search))
    np.testing.assert_array_equal(places[-1], [1.0, 2.0])


def test_settings_that_make_no_parameters_are_left_out():
    settings = [{"exit_edge_bps": 5.0}, {"exit_edge_bps": 500.0}]
    kept, sets = valid_sets(BASE, settings)
    assert kept == settings[:1]
    assert sets[0].exit_edge_bps == 5.0
    with pytest.raises(InputError, match="no setting of the sweep is possible: exit_edge_bps must be"):
        valid_sets(BASE, settings[1:])


@pytest.mark.parametrize("name", ["speed", "horizon_bars", "market", "policy"])
def test_what_is_not_searched_is_refused_by_name(name):
    with pytest.raises(InputError, match=f"a parameter to vary must be one of .*; was '{name}'"):
        Axis(name, (1.0, 2.0))
    with pytest.raises(InputError, match=f"; was '{name}'"):
        valid_sets(BASE, [{"fee_bps": 1.0}, {name: 1.0}])


def test_everything_but_the_bars_the_horizon_and_the_market_can_be_searched():
    assert {"periods_per_year", "horizon_bars", "market"} == set(BASE.document()) - set(SEARCHED)


def test_parameters_of_a_policy_are_searched_by_their_prefix():
    base = params_for(parse_interval("1h"), 4, policy={"stop_frac": 0.1, "size": 1.0})
    axes = (parse_grid("policy.stop_frac=0.02,0.05"), parse_grid("fee_bps=1,2"))
    kept, sets = valid_sets(base, settings_of(Search(Method.GRID, axes)))
    assert kept[1] == {"policy.stop_frac": 0.02, "fee_bps": 2.0}
    assert [one.policy["stop_frac"] for one in sets] == [0.02, 0.02, 0.05, 0.05]
    assert {one.policy["size"] for one in sets} == {1.0}
    assert base.policy == {"stop_frac": 0.1, "size": 1.0}
    assert parse_range("policy.size=0.5:1").values == (0.5, 1.0)
    with pytest.raises(InputError, match=r"or policy.NAME; was 'policy'"):
        parse_grid("policy=1,2")
