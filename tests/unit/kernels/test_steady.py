import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_panel, random_predictions
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import make_groups, make_state
from marketsentry.core.market.interval import parse_interval
from marketsentry.kernels import account as acc
from marketsentry.kernels import replay as kernel
from marketsentry.kernels import steady
from marketsentry.kernels.records import Market, State
from marketsentry.kernels.tape import FILL_FIELDS

N_BARS = 20


def _static_params(interval, **changes):
    """Without sizing and impact no volatility is kept, so stretches can be held."""
    given = {"position_volatility_frac": None, "impact_coefficient": 0.0, "max_single_weight": 0.5}
    return params_for(parse_interval(interval), 1, **(given | changes))


def _run(panel, predictions, params, *, shortcut=True, stops=()):
    """All outputs and the whole state at the end, on the way stored and taken up again at `stops`."""
    n_bars, n_targets = predictions.shape
    rules = params.rules(with_confidence=False)
    rules = rules if shortcut else rules._replace(is_static=False)
    groups, state = make_groups(None, None, params, n_targets), make_state(params, n_targets, n_groups=3)
    equity, weights = np.empty(n_bars), np.empty((n_bars, n_targets))
    fills, n_fills, bar = np.zeros((4_000, FILL_FIELDS)), 0, 0
    for stop in (*stops, n_bars):
        seen = Market(panel.ts_ns[:stop], panel.values[:stop], predictions[:stop], np.zeros((0, 0)))
        bar, n_fills = kernel.run(bar, seen, rules, groups, state, fills, n_fills, equity, weights)
        assert bar == stop
        state = State(*(part.copy() for part in state))
    return equity, weights, fills[:n_fills], state.book, state.account


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**31),
    n_targets=st.integers(1, 3),
    interval=st.sampled_from(["1m", "1h", "1d"]),
    deviation=st.sampled_from([1e-4, 0.005, 0.05]),
    band=st.sampled_from([0.0, 0.02, 0.3]),
    latency=st.integers(1, 3),
    taper_start=st.sampled_from([0.01, 0.1, 1.0]),
    participation=st.sampled_from([0.1, np.inf]),
)
def test_holding_over_a_stretch_changes_nothing(
    seed, n_targets, interval, deviation, band, latency, taper_start, participation
):
    panel = random_panel(seed, 300, n_targets, holes=0.01, deviation=deviation, interval=interval)
    predictions = random_predictions(seed, (300, n_targets), missing=0.01, repeat=0.97)
    params = _static_params(
        interval, rebalance_band_frac=band, latency_bars=latency, taper_start_frac=taper_start, taper_stop_frac=2.0,
        participation_frac=participation,
    )  # fmt: skip
    with_it = _run(panel, predictions, params)
    without = _run(panel, predictions, params, shortcut=False)
    for one, other in zip(with_it[:3], without[:3], strict=True):
        assert one.tobytes() == other.tobytes()
    noted = [acc.CASH, acc.EQUITY, acc.PEAK, acc.DAY_END, acc.DAY_START, acc.WORST_DAY, acc.BUSY]
    np.testing.assert_array_equal(with_it[4][noted], without[4][noted])


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), stops=st.sets(st.integers(1, 199), max_size=5))
def test_a_state_stored_within_a_stretch_goes_on_as_if_never_stopped(seed, stops):
    panel = random_panel(seed, 200, 2, holes=0.0, deviation=0.002, interval="1m")
    predictions = random_predictions(seed, (200, 2), missing=0.0, repeat=0.98)
    params = _static_params("1m")
    whole = _run(panel, predictions, params)
    for one, other in zip(whole, _run(panel, predictions, params, stops=sorted(stops)), strict=True):
        assert one.tobytes() == other.tobytes()


def _held(*, weight=0.5, bar=None, close=None, prediction=None, first_ts_ns=0, peak=2_000.0, worst_day=0.5):
    """Hold 5 units at 100 with 500 in cash over quiet minutes, one of which may differ; gives bars held and outputs."""
    book, account = np.zeros((1, acc.BOOK_FIELDS)), np.zeros(acc.ACCOUNT_FIELDS)
    book[0, [acc.QTY, acc.TARGET_QTY, acc.WEIGHT, acc.PREDICTION]] = 5.0, 5.0, weight, 0.01
    account[[acc.CASH, acc.PEAK, acc.DAY_START, acc.WORST_DAY]] = 500.0, peak, 1_000.0, worst_day
    account[acc.DAY_END] = acc.DAY_NS
    ts_ns = first_ts_ns + 60_000_000_000 * np.arange(N_BARS, dtype=np.int64)
    values, predictions = np.full((N_BARS, 1, 5), 100.0), np.full((N_BARS, 1), 0.01)
    if close is not None:
        values[bar, 0, steady.CLOSE] = close
    if prediction is not None:
        predictions[bar, 0] = prediction
    equity, weights = np.zeros(N_BARS), np.zeros((N_BARS, 1))
    n = steady.hold(1, ts_ns, values, predictions, 0.05, 0.6, book, account, equity, weights)
    return n, book[0, acc.MARK_PRICE], account[acc.EQUITY], equity[:n], weights[:n, 0]


def test_a_quiet_stretch_is_held_in_one_go():
    n, mark, last_equity, equity, weights = _held(bar=N_BARS - 1, close=110.0)
    assert (n, mark, last_equity) == (N_BARS, 110.0, 1_050.0)
    assert equity.tolist() == [1_000.0] * (N_BARS - 1) + [1_050.0]
    np.testing.assert_allclose(weights, [0.5] * (N_BARS - 1) + [550.0 / 1_050.0])


@pytest.mark.parametrize(
    "differs",
    [
        {"prediction": 0.02},
        {"prediction": np.nan},
        {"close": np.nan},  # a lost bar
        {"close": 125.0},  # weight beyond the band
        {"close": 101.0, "peak": 1_000.0},  # a new peak
        {"close": 97.0, "worst_day": 0.01},  # a new worst loss of a day
        {"close": -100.0},  # no equity
    ],
)
def test_holding_stops_at_the_bar_that_differs(differs):
    n, mark, last_equity, _, _ = _held(bar=7, **differs)
    assert (n, mark, last_equity) == (7, 100.0, 1_000.0)


def test_holding_stops_at_the_end_of_the_day():
    assert _held(first_ts_ns=acc.DAY_NS - 3 * 60_000_000_000)[0] == 3


def test_nothing_is_held_below_the_start_of_the_taper():
    assert _held(peak=3_000.0)[0] == 0


def test_nothing_is_held_with_a_weight_beyond_its_band():
    n, mark, last_equity, _, _ = _held(weight=0.4)
    assert (n, mark, last_equity) == (0, 0.0, 0.0)
