import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_panel, random_predictions
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import make_groups, make_state
from marketsentry.core.market.interval import parse_interval
from marketsentry.kernels import account as acc
from marketsentry.kernels import replay as kernel
from marketsentry.kernels.margin import charge_borrow
from marketsentry.kernels.records import Market, State
from marketsentry.kernels.tape import FILL_FIELDS

HOUR = parse_interval("1h")


def _setup(panel, predictions, params, *, shortcut=True):
    n_targets = len(panel.symbols)
    market = Market(panel.ts_ns, panel.values, predictions, np.zeros((0, 0)))
    rules = params.rules(with_confidence=False)
    groups = make_groups(None, None, params, n_targets)
    state = make_state(params, n_targets, n_groups=3)
    return market, rules if shortcut else rules._replace(is_static=False), groups, state


def _run(setup, n_fills_room=4_000):
    market, rules, groups, state = setup
    n_bars, n_targets = market.predictions.shape
    equity, weights = np.empty(n_bars), np.empty((n_bars, n_targets))
    fills = np.zeros((n_fills_room, FILL_FIELDS))
    bar, n_fills = kernel.run(0, market, rules, groups, state, fills, 0, equity, weights)
    assert bar == n_bars
    return equity, weights, fills[:n_fills], state.book


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**31),
    n_targets=st.integers(1, 4),
    band=st.sampled_from([0.0, 0.02, 0.3]),
    latency=st.integers(1, 3),
    budget=st.sampled_from([0.3, 1.0]),
)
def test_the_shortcut_changes_nothing(seed, n_targets, band, latency, budget):
    panel = random_panel(seed, 120, n_targets, holes=0.02)
    predictions = random_predictions(seed, (120, n_targets), missing=0.02, repeat=0.95)
    params = params_for(
        HOUR, 1, position_volatility_frac=None, rebalance_band_frac=band, latency_bars=latency, risk_budget=budget,
        volatility_warmup_bars=1, taper_start_frac=0.02, max_single_weight=0.5,
    )  # fmt: skip
    with_it = _run(_setup(panel, predictions, params))
    without = _run(_setup(panel, predictions, params, shortcut=False))
    for one, other in zip(with_it[:3], without[:3], strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_shortcut_is_taken():
    panel = random_panel(4, 50, 1, holes=0.0, deviation=0.001)
    params = params_for(HOUR, 1, position_volatility_frac=None, impact_coefficient=0.0)
    market, rules, groups, state = _setup(panel, np.full((50, 1), 0.05), params)
    _run((market, rules, groups, state))
    assert state.account[acc.STEADY] == 1.0
    assert state.account[acc.BUSY] == 0.0


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), latency=st.integers(1, 3), stop=st.integers(1, 59))
def test_a_stored_state_goes_on_as_if_never_stopped(seed, latency, stop):
    panel, predictions = random_panel(seed, 60, 3), random_predictions(seed, (60, 3))
    params = params_for(HOUR, 2, latency_bars=latency, volatility_warmup_bars=3)
    whole = _run(_setup(panel, predictions, params))

    market, rules, groups, state = _setup(panel, predictions, params)
    equity, weights = np.empty(60), np.empty((60, 3))
    fills = np.zeros((4_000, FILL_FIELDS))
    first = Market(*(part[:stop] if part.size else part for part in market))
    _, n_fills = kernel.run(0, first, rules, groups, state, fills, 0, equity[:stop], weights[:stop])
    kept = State(*(part.copy() for part in state))
    _, n_fills = kernel.run(stop, market, rules, groups, kept, fills, n_fills, equity, weights)
    for one, other in zip(whole, (equity, weights, fills[:n_fills], kept.book), strict=True):
        np.testing.assert_array_equal(one, other)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), room=st.integers(3, 9))
def test_a_full_tape_pauses_between_bars(seed, room):
    panel, predictions = random_panel(seed, 60, 3), random_predictions(seed, (60, 3))
    params = params_for(HOUR, 2, volatility_warmup_bars=3)
    whole = _run(_setup(panel, predictions, params))

    market, rules, groups, state = _setup(panel, predictions, params)
    equity, weights, kept = np.empty(60), np.empty((60, 3)), []
    bar = 0
    while bar < 60:
        fills = np.zeros((room, FILL_FIELDS))
        bar, n_fills = kernel.run(bar, market, rules, groups, state, fills, 0, equity, weights)
        kept.append(fills[:n_fills])
    np.testing.assert_array_equal(np.concatenate(kept), whole[2])
    np.testing.assert_array_equal(equity, whole[0])


def test_one_bar_at_a_time_decides_what_the_loop_decides():
    """As the live trader calls it: mark and decide bar by bar, with fills from elsewhere."""
    panel, predictions = random_panel(11, 80, 3, holes=0.0), random_predictions(11, (80, 3))
    params = params_for(HOUR, 2, volatility_warmup_bars=3)
    _, _, _, book = _run(_setup(panel, predictions, params))

    market, rules, groups, state = _setup(panel, predictions, params)
    fills = np.zeros((4_000, FILL_FIELDS))
    n_fills = 0
    for t in range(80):
        one = Market(
            market.ts_ns[t : t + 1],
            market.values[t : t + 1],
            market.predictions[t : t + 1],
            market.confidence,
        )
        if state.account[acc.BUSY] > 0:
            n_fills = kernel.fill_bar(0, one, rules, state, fills, n_fills)
        charge_borrow(0, 3, one.values, rules.borrow_frac, state.book, state.account)
        kernel.mark_bar(0, 3, one.ts_ns, one.values, rules, state.book, state.account)
        if kernel.decide_bar(0, one, rules, groups, state):
            state.account[acc.BUSY] = 1.0
        state.orders[0] = state.book[:, acc.TARGET_QTY]
    np.testing.assert_array_equal(state.book, book)
