import dataclasses
import json
import math

import pytest

from marketsentry.core.backtest.params import ReplayParams, params_for, params_from, shown_params
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import InputError


def test_periods_per_year_follow_the_interval_around_the_clock():
    assert params_for(parse_interval("1h"), 1).periods_per_year == 8_760
    assert params_for(parse_interval("5m"), 1).periods_per_year == 105_120
    assert params_for(parse_interval("1d"), 1).periods_per_year == 365


def test_parameters_have_no_default_year():
    with pytest.raises(TypeError):
        ReplayParams(horizon_bars=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("periods_per_year", 0.0),
        ("capital_quote", math.inf),
        ("capital_quote", math.nan),
        ("fee_bps", -1.0),
        ("fee_bps", math.nan),
        ("half_spread_bps", math.inf),
        ("participation_frac", 0.0),
        ("horizon_bars", 0),
        ("latency_bars", 0),
        ("min_confidence", 1.1),
        ("taper_stop_frac", 0.05),
        ("taper_floor_frac", 1.5),
        ("exit_edge_bps", 17.0),
        ("position_volatility_frac", 0.0),
        ("position_volatility_frac", math.nan),
        ("prediction_ttl_bars", -1),
        ("max_turnover", math.nan),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=name):
        dataclasses.replace(params_for(parse_interval("1h"), 1), **{name: value})


def test_an_unknown_parameter_is_refused():
    with pytest.raises(InputError, match="slipage_bps"):
        params_for(parse_interval("1h"), 1, slipage_bps=3)


def test_the_entry_threshold_holds_the_round_trip_cost():
    params = params_for(
        parse_interval("1h"), 1, fee_bps=5, half_spread_bps=3, entry_edge_bps=4, cost_multiple=1.5
    )
    assert params.round_trip_cost_bps == 16
    assert params.entry_threshold_bps == 28
    assert params.rules(with_confidence=False).entry_frac == pytest.approx(0.0028)


def test_parameters_survive_json():
    params = params_for(parse_interval("1h"), 3, participation_frac=math.inf, position_volatility_frac=None)
    document = json.loads(json.dumps(params.document(), allow_nan=False))
    assert params_from(document) == params
    named = {field.name for field in dataclasses.fields(ReplayParams)}
    assert set(document) == named - {"policy"}  # left out, so that a run without policy keeps its hash
    with_policy = dataclasses.replace(params, policy={"stop_frac": 0.1})
    assert params_from(json.loads(json.dumps(with_policy.document()))) == with_policy


def test_a_page_shows_the_parameters_that_had_a_say():
    params = params_for(parse_interval("1h"), 3, entry_edge_bps=4.0)
    assert shown_params(params.document()) == params.document()
    shown = shown_params(dataclasses.replace(params, policy={"stop_frac": 0.1}).document())
    assert shown["policy.stop_frac"] == 0.1
    assert "entry_edge_bps" not in shown
    assert shown["fee_bps"] == params.fee_bps
