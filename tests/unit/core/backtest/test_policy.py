"""A user's policy in the replay: the built-in rule through the same door, and what no policy can do."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from markets import random_panel, random_predictions
from marketsentry.core.backtest.builtin_policy import builtin_policy
from marketsentry.core.backtest.params import SIGNAL_PARAMS, params_for, params_from
from marketsentry.core.backtest.policy import PolicyParam, View, compile_policy
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import summarise
from marketsentry.core.backtest.sweep import sweep
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import InputError
from naive_replay import naive_replay

HOUR = parse_interval("1h")
ARRAYS = ("equity", "weights", "fills", "trades", "pnl_quote", "fee_quote", "slippage_quote", "impact_quote")
LOUD = PolicyParam("size", 1.0, -1e9, 1e9, "the answer, whatever is seen")
VIEW = View(0.01, 1.0, 0.02, 0.04, 0.1, 3.0, 0.05, 0.02, 16.0)

changes_any = st.fixed_dictionaries(
    {
        "fee_bps": st.sampled_from([0.0, 5.0]),
        "impact_coefficient": st.sampled_from([0.0, 1.0]),
        "participation_frac": st.sampled_from([0.01, 0.5, math.inf]),
        "latency_bars": st.integers(1, 4),
        "entry_edge_bps": st.sampled_from([0.0, 20.0]),
        "exit_edge_bps": st.sampled_from([-30.0, 0.0]),
        "cost_multiple": st.sampled_from([0.0, 1.0, 2.0]),
        "full_conviction_sigmas": st.sampled_from([0.0, 0.5]),
        "min_confidence": st.sampled_from([0.0, 0.5]),
        "prediction_ttl_bars": st.integers(0, 3),
        "allow_short": st.booleans(),
        "position_volatility_frac": st.sampled_from([None, 0.15, 0.8]),
        "volatility_warmup_bars": st.integers(1, 30),
        "taper_start_frac": st.sampled_from([0.01, 0.1]),
        "max_single_weight": st.sampled_from([0.2, 1.0, 9.0]),
        "max_gross_exposure": st.sampled_from([0.4, 9.0]),
        "max_turnover": st.sampled_from([0.35, 30.0]),
        "rebalance_band_frac": st.sampled_from([0.0, 0.2]),
    }
)


@njit
def _same_answer(view, params):
    return params.size


@pytest.fixture(scope="module")
def fixed():
    """Answers its parameter, whatever it sees."""
    return compile_policy("fixed", _same_answer, (LOUD,))


def _as_policy(params):
    """Give the parameters with those of the built-in rule under its policy, and left alone in the replay."""
    values = {name: getattr(params, name) for name in SIGNAL_PARAMS}
    return dataclasses.replace(params, policy=values)


def _signed(result):
    return result.fills["side"] * result.fills["qty"]


@settings(deadline=None, max_examples=120)
@given(
    seed=st.integers(0, 2**31),
    n_bars=st.integers(1, 120),
    n_targets=st.integers(1, 3),
    changes=changes_any,
    with_confidence=st.booleans(),
)
def test_the_built_in_rule_through_the_door_gives_the_same_bits(
    seed, n_bars, n_targets, changes, with_confidence
):
    panel = random_panel(seed, n_bars, n_targets)
    predictions = random_predictions(seed + 1, (n_bars, n_targets), repeat=0.8)
    confidence = None
    if with_confidence:
        confidence = np.random.default_rng(seed).choice([0.0, 0.4, 1.0], predictions.shape)
    params = params_for(HOUR, 4, **changes)
    inside = replay(predictions, panel, params, confidence=confidence)
    asked = replay(predictions, panel, _as_policy(params), confidence=confidence, policy=builtin_policy())
    for name in ARRAYS:
        assert getattr(inside, name).tobytes() == getattr(asked, name).tobytes(), name


@njit
def _mixed(view, params):
    """Leans on every field, smoothly, and now and then has no answer."""
    if view.held_bars % 7.0 == 5.0:
        return math.nan
    wish = 30.0 * view.prediction * view.confidence + 0.3 * view.weight + view.gain_frac - view.drawdown_frac
    return (
        wish
        + view.volatility
        - 2.0 * view.horizon_volatility
        + 0.01 * view.held_bars
        + 0.002 * view.round_trip_cost_bps
    )


@pytest.fixture(scope="module")
def mixed():
    """A policy that reads every field of its view."""
    return compile_policy("mixed", _mixed, ())


@settings(deadline=None, max_examples=120)
@given(
    seed=st.integers(0, 2**31),
    n_bars=st.integers(1, 60),
    n_targets=st.integers(1, 3),
    changes=changes_any,
    with_confidence=st.booleans(),
)
def test_a_policy_sees_and_does_what_the_plain_statement_of_the_rules_says(
    mixed, seed, n_bars, n_targets, changes, with_confidence
):
    panel = random_panel(seed, n_bars, n_targets)
    predictions = random_predictions(seed + 1, (n_bars, n_targets))
    confidence = None
    if with_confidence:
        confidence = np.random.default_rng(seed).choice([np.nan, 0.4, 1.0], predictions.shape)
    params = params_for(HOUR, 4, **changes)

    result = replay(predictions, panel, params, confidence=confidence, policy=mixed)
    equity, weights, fills, _ = naive_replay(
        predictions,
        panel.values,
        params,
        confidence=confidence,
        policy=lambda view: _mixed.py_func(view, None),
    )

    np.testing.assert_allclose(result.equity, equity, rtol=1e-12, atol=1e-12 * params.capital_quote)
    np.testing.assert_allclose(result.weights, weights, rtol=1e-9, atol=1e-9)
    assert result.fills.size == len(fills)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), n_targets=st.integers(1, 3), traded_from=st.integers(0, 40))
def test_a_sweep_of_a_policy_is_its_replays(seed, n_targets, traded_from):
    panel = random_panel(seed, 600, n_targets)
    predictions = random_predictions(seed + 1, (600, n_targets))
    base = params_for(HOUR, 4)
    sets = [
        dataclasses.replace(base, policy=builtin_policy().values({"entry_edge_bps": edge}))
        for edge in (0.0, 30.0)
    ]
    rows = sweep(predictions, panel, sets, n_threads=2, traded_from=traded_from, policy=builtin_policy())
    for row, params in zip(rows, sets, strict=True):
        result = replay(predictions, panel, params, policy=builtin_policy())
        whole = summarise(result, predictions, panel, traded_from=traded_from)
        assert row["trades"] == whole["trades"]
        assert row["pnl_after_cost"] == pytest.approx(whole["pnl_after_cost"], abs=1e-12)
        assert row["turnover"] == pytest.approx(whole["turnover"], rel=1e-12)


@pytest.mark.parametrize("answer", [math.nan, math.inf, -math.inf])
def test_an_answer_that_is_not_finite_opens_nothing(answer):
    policy = compile_policy("lost", njit(lambda view, params: answer), ())
    panel, predictions = random_panel(1, 200, 2), random_predictions(2, (200, 2))
    result = replay(predictions, panel, params_for(HOUR, 4), policy=policy)
    assert result.fills.size == 0
    assert (result.equity == result.params.capital_quote).all()


def test_a_policy_that_falls_silent_keeps_for_the_ttl_and_then_closes():
    """Long while flat; from the third close of the position on it has no answer."""

    @njit
    def decide(view, params):
        return 1.0 if view.held_bars < 3.0 else math.nan

    panel = random_panel(3, 60, 1, holes=0.0)
    params = params_for(
        HOUR, 4, prediction_ttl_bars=2, position_volatility_frac=None, impact_coefficient=0.0,
        participation_frac=math.inf, rebalance_band_frac=0.15, taper_start_frac=0.9, taper_stop_frac=1.0,
    )  # fmt: skip
    result = replay(np.full((60, 1), 0.01), panel, params, policy=compile_policy("shy", decide, ()))
    first, second = result.trades[:2]
    # Decided at close 0, open at bar 1, silent from close 3 on, kept at closes 3 and 4, closed at 5, out at bar 6.
    assert (first["entry_bar"], first["exit_bar"]) == (1, 6)
    assert second["entry_bar"] == 7  # flat again it answers at the next close


def test_an_exception_counts_as_no_answer():
    @njit
    def decide(view, params):
        if view.prediction > 0.0:
            raise ValueError("no idea")
        return -1.0

    policy = compile_policy("angry", decide, ())
    assert math.isnan(policy.ask(VIEW))
    assert policy.ask(VIEW._replace(prediction=-0.1)) == -1.0
    panel, predictions = random_panel(4, 300, 2), random_predictions(5, (300, 2))
    result = replay(predictions, panel, params_for(HOUR, 4), policy=policy)
    opened = result.fills[np.isin(result.fills["bar"], result.trades["entry_bar"])]
    assert result.trades.size > 3
    assert (result.trades["side"] < 0).all()
    assert opened.size > 0


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    size=st.sampled_from([-1e9, -3.0, -0.4, 0.4, 1.0, 1e9]),
    cap=st.sampled_from([0.1, 0.3]),
    gross=st.sampled_from([0.2, 0.5]),
    allow_short=st.booleans(),
)
def test_no_answer_passes_a_limit(fixed, seed, size, cap, gross, allow_short):
    """Without drift between decision and fill: a market that does not move, and nothing that costs."""
    panel = random_panel(seed, 60, 3, deviation=0.0, holes=0.0)
    params = params_for(
        HOUR, 4, max_single_weight=cap, max_gross_exposure=gross, allow_short=allow_short, fee_bps=0.0,
        half_spread_bps=0.0, impact_coefficient=0.0, position_volatility_frac=None, max_turnover=0.15,
        policy={"size": size}, participation_frac=math.inf, rebalance_band_frac=0.0, borrow_bps_per_day=0.0,
        min_notional_quote=0.0,
    )  # fmt: skip
    result = replay(np.full((60, 3), 0.01), panel, params, policy=fixed)
    assert np.abs(result.weights).max() <= cap * (1 + 1e-12)
    assert np.abs(result.weights).sum(axis=1).max() <= gross * (1 + 1e-12)
    steps = np.abs(np.diff(result.weights, axis=0, prepend=0.0)).sum(axis=1)
    assert steps.max() <= 0.15 * (1 + 1e-12)
    if size < 0.0 and not allow_short:
        assert result.fills.size == 0
    else:
        assert np.sign(result.weights[-1]).tolist() == [np.sign(size)] * 3


def test_what_a_policy_sees_is_the_account_and_the_target():
    """A policy that answers a view field says what it saw: here by the weight it gets without sizing."""
    panel = random_panel(6, 40, 1, holes=0.0)
    predictions = random_predictions(7, (40, 1), missing=0.0)
    params = params_for(
        HOUR, 4, position_volatility_frac=None, impact_coefficient=0.0, max_single_weight=9.0, max_turnover=9.0,
        max_gross_exposure=9.0, participation_frac=math.inf, rebalance_band_frac=0.0, taper_start_frac=0.9,
        taper_stop_frac=1.0, volatility_warmup_bars=5, min_notional_quote=0.0,
    )  # fmt: skip

    @njit
    def by_prediction(view, params):
        return view.prediction * 10.0

    result = replay(predictions, panel, params, policy=compile_policy("seen", by_prediction, ()))
    close, equity = panel.values[:, 0, 3], result.equity
    held = np.cumsum(np.bincount(result.fills["bar"], weights=_signed(result), minlength=40))
    decided = np.clip(10.0 * predictions[:, 0], -1, 1)
    np.testing.assert_allclose(held[1:], decided[:-1] * equity[:-1] / close[:-1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "field", ["volatility", "horizon_volatility", "drawdown_frac", "gain_frac", "held_bars"]
)
def test_each_field_of_the_view_is_what_its_name_says(field):
    """Hold half of the equity for ten closes and answer a hundredth of the field then: the fill tells what was seen."""
    panel = random_panel(8, 12, 1, holes=0.0, deviation=0.01)
    params = params_for(
        HOUR, 4, position_volatility_frac=None, impact_coefficient=0.0, max_single_weight=9.0, max_turnover=9.0,
        max_gross_exposure=9.0, participation_frac=math.inf, rebalance_band_frac=0.2, taper_start_frac=0.9,
        taper_stop_frac=1.0, volatility_warmup_bars=2,
    )  # fmt: skip
    answer = eval(f"lambda view, params: 0.5 if view.held_bars < 10.0 else 0.01 * view.{field}")
    result = replay(np.full((12, 1), 0.01), panel, params, policy=compile_policy("probe", njit(answer), ()))
    assert result.fills["bar"].tolist() == [
        1,
        11,
    ]  # decided at close 0, then held: ten closes, up to that of bar 10
    close, equity = panel.values[:, 0, 3], result.equity
    volatility = math.sqrt(np.mean((close[1:11] / close[:10] - 1) ** 2))
    seen = {
        "volatility": volatility,
        "horizon_volatility": 2.0 * volatility,
        "drawdown_frac": 1 - equity[10] / max(params.capital_quote, equity[:11].max()),
        "gain_frac": close[10] / result.fills["price"][0] - 1,
        "held_bars": 10.0,
    }[field]
    assert seen != 0.0
    assert _signed(result).sum() == pytest.approx(0.01 * seen * equity[10] / close[10], rel=1e-9)


def test_declared_parameters_reach_the_code_in_order_and_within_bounds():
    @njit
    def decide(view, params):
        return params.first - 2.0 * params.second

    policy = compile_policy(
        "two",
        decide,
        (PolicyParam("first", 0.5, 0.0, 1.0, "one"), PolicyParam("second", 0.1, 0.0, 0.4, "other")),
    )
    assert policy.ask(VIEW) == 0.5 - 2.0 * 0.1
    assert policy.ask(VIEW, {"second": 0.3}) == 0.5 - 2.0 * 0.3
    assert list(policy.values({"second": 0.3})) == ["first", "second"]
    with pytest.raises(InputError, match=r"has no parameter 'third'; it has first, second"):
        policy.values({"third": 1.0})
    with pytest.raises(InputError, match=r"second must be in 0..0.4, was 0.5"):
        policy.values({"second": 0.5})
    with pytest.raises(InputError, match=r"was nan"):
        policy.values({"second": math.nan})


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        (lambda view, params: 1.0, "must be compiled"),
        (njit(lambda view, params: np.zeros(3).sum()), "does not compile"),
        (njit(lambda view, params: view.tomorrow), "does not compile"),
        (njit(lambda view, params: "all in"), "does not compile"),
    ],
)
def test_what_cannot_run_in_the_loops_is_refused(decide, message):
    with pytest.raises(InputError, match=message):
        compile_policy("bad", decide, ())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("2nd", 0.0, 0.0, 1.0, "x"), "Python name"),
        (("a", 0.0, 0.0, 1.0, " "), "must say what it means"),
        (("a", 0.0, 1.0, 0.0, "x"), "low <= high"),
        (("a", 2.0, 0.0, 1.0, "x"), "must be in 0..1, was 2"),
    ],
)
def test_a_parameter_must_be_declared_whole(values, message):
    with pytest.raises(InputError, match=message):
        PolicyParam(*values)


def test_values_and_policy_belong_together(fixed):
    panel, predictions = random_panel(9, 20, 1), random_predictions(9, (20, 1))
    params = params_for(HOUR, 4, policy={"size": 1.0})
    with pytest.raises(InputError, match="no policy was given"):
        replay(predictions, panel, params)
    with pytest.raises(InputError, match="has no parameter"):
        replay(predictions, panel, params, policy=builtin_policy())
    assert params_from(params.document()) == params
    assert "policy" not in params_for(HOUR, 4).document()
