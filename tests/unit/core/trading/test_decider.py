"""One bar at a time decides what the backtest decides: same bits, whatever the market does and wherever it restarts."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_panel, random_predictions
from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import Market
from marketsentry.core.risk.profiles import Profile
from marketsentry.core.trading.decider import Decider, Holdings
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.kernels import account as acc
from marketsentry.kernels.fill import execute

HOUR = parse_interval("1h")
PROFILES = [Profile("crypto", "crypto_beta"), Profile("crypto", "core"), Profile("equity", None)]

params_any = st.builds(
    ReplayParams,
    periods_per_year=st.just(HOUR.periods_per_year),
    horizon_bars=st.integers(1, 30),
    capital_quote=st.sampled_from([1_000.0, 100_000.0]),
    impact_coefficient=st.sampled_from([0.0, 1.0]),
    participation_frac=st.sampled_from([0.01, 0.1, math.inf]),
    cost_multiple=st.sampled_from([0.0, 1.0]),
    full_conviction_sigmas=st.sampled_from([0.0, 0.5]),
    prediction_ttl_bars=st.integers(0, 3),
    allow_short=st.booleans(),
    position_volatility_frac=st.sampled_from([None, 0.15, 0.8]),
    volatility_halflife_bars=st.sampled_from([2.0, 10.0]),
    volatility_warmup_bars=st.integers(1, 5),
    max_turnover=st.sampled_from([0.1, 0.35, 9.0]),
    rebalance_band_frac=st.sampled_from([0.0, 0.02]),
    min_notional_quote=st.sampled_from([0.0, 10.0, 500.0]),
    borrow_bps_per_day=st.sampled_from([0.0, 3.0, 200.0]),
)


class PlainAccount:
    """Cash and quantities moved by the fills of one bar, as a ledger would: nothing of the decision core in it."""

    def __init__(self, n, capital):
        self.qty, self.cash = np.zeros(n), capital

    def fill(self, bar, target, volatility, params):
        for n, goal in enumerate(target):
            wanted = goal - self.qty[n]
            if wanted == 0.0:
                continue
            qty, paid, fee, _, _ = execute(
                wanted,
                bar[n, 0],
                bar[n, 4],
                volatility[n],
                params.participation_frac,
                params.impact_coefficient,
                params.half_spread_bps,
                params.fee_bps,
            )
            self.qty[n] = goal if qty == wanted else self.qty[n] + qty
            self.cash -= qty * paid + fee


def trade(panel, predictions, params, *, restart_at=None):
    """Trade a panel bar by bar; gives equity, weights and the number of bars with a fill."""
    decider = Decider(panel.symbols, params, profiles=PROFILES)
    account = PlainAccount(3, params.capital_quote)
    equity, weights, decided = [], [], None
    for t, ts_ns in enumerate(panel.ts_ns.tolist()):
        if t == restart_at:
            kept = json.loads(json.dumps(decider.document(), allow_nan=False))
            decider = Decider(panel.symbols, params, profiles=PROFILES)
            decider.restore(kept)
        if decided is not None:
            account.fill(panel.values[t], decided.target_qty, decided.volatility, params)
        decided = decider.close_bar(
            ts_ns, panel.values[t], predictions[t], Holdings(account.qty, np.ones(3), account.cash)
        )
        account.cash -= decided.funding_quote.sum()
        equity.append(decided.equity)
        weights.append(decided.weights)
    return np.array(equity), np.array(weights)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n_bars=st.integers(1, 60), params=params_any, data=st.data())
def test_bar_by_bar_equals_the_backtest(seed, n_bars, params, data):
    panel = random_panel(seed, n_bars, 3, deviation=data.draw(st.sampled_from([0.002, 0.02, 0.2])))
    predictions = random_predictions(seed + 1, (n_bars, 3))
    expected = replay(predictions, panel, params, profiles=PROFILES)
    equity, weights = trade(panel, predictions, params)
    np.testing.assert_allclose(equity, expected.equity, rtol=1e-10, atol=1e-10 * params.capital_quote)
    np.testing.assert_allclose(weights, expected.weights, rtol=1e-9, atol=1e-9)


def test_the_comparison_trades_at_all():
    panel, predictions = random_panel(5, 200, 3, deviation=0.01), random_predictions(6, (200, 3))
    params = params_for(HOUR, 4, position_volatility_frac=None)
    assert replay(predictions, panel, params, profiles=PROFILES).fills.size > 100


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), restart_at=st.integers(1, 39), params=params_any)
def test_a_restart_changes_no_bit(seed, restart_at, params):
    panel, predictions = random_panel(seed, 40, 3), random_predictions(seed + 1, (40, 3))
    through, again = (
        trade(panel, predictions, params),
        trade(panel, predictions, params, restart_at=restart_at),
    )
    np.testing.assert_array_equal(through[0], again[0])
    np.testing.assert_array_equal(through[1], again[1])


def test_what_cannot_be_traded_bar_by_bar_is_refused():
    with pytest.raises(InputError, match="market must be spot"):
        Decider(("BTC",), params_for(HOUR, 1, market=Market.PERP))
    with pytest.raises(InputError, match="latency_bars must be 1"):
        Decider(("BTC",), params_for(HOUR, 1, latency_bars=2))


def test_holdings_that_are_no_numbers_are_refused():
    decider = Decider(("BTC",), params_for(HOUR, 1))
    bar, prediction = np.full((1, 5), 100.0), np.zeros(1)
    for qty, cash in ((np.nan, 1.0), (0.0, np.nan), (np.inf, 1.0)):
        with pytest.raises(InputError, match="holdings must be finite"):
            decider.close_bar(0, bar, prediction, Holdings(np.array([qty]), np.ones(1), cash))
    with pytest.raises(InputError, match="predictions must be finite or NaN"):
        decider.close_bar(0, bar, np.array([np.inf]), Holdings(np.zeros(1), np.ones(1), 1.0))


def test_the_state_of_other_targets_is_refused():
    with pytest.raises(ConflictError, match="must be version 1 of ETH, was version 1 of BTC"):
        Decider(("ETH",), params_for(HOUR, 1)).restore(Decider(("BTC",), params_for(HOUR, 1)).document())


@given(st.integers(0, 10_000), params_any, st.sampled_from([0.1, 0.3, 0.7]))
@settings(max_examples=40, deadline=None)
def test_a_share_of_the_capital_is_traded_like_an_account_of_that_size(seed, params, share):
    panel, predictions = random_panel(seed, 60, 3), random_predictions(seed + 1, (60, 3))
    staged, small = (Decider(panel.symbols, params, profiles=PROFILES) for _ in range(2))
    account, nothing, marks = PlainAccount(3, params.capital_quote), np.zeros(3), np.full(3, np.nan)
    staged.begin(Holdings(nothing, nothing, account.cash), capital_frac=share)
    small.begin(Holdings(nothing, nothing, share * account.cash))
    decided = None
    for t, ts_ns in enumerate(panel.ts_ns.tolist()):
        bar = panel.values[t]
        if decided is not None:
            account.fill(bar, decided.target_qty, decided.volatility, params)
        marks = np.where(bar[:, 3] > 0.0, bar[:, 3], marks)
        idle = (1.0 - share) * (account.cash + float((account.qty * marks)[account.qty != 0.0].sum()))
        whole, part = (
            Holdings(account.qty, np.ones(3), cash) for cash in (account.cash, account.cash - idle)
        )
        decided = staged.close_bar(ts_ns, bar, predictions[t], whole, capital_frac=share)
        alone = small.close_bar(ts_ns, bar, predictions[t], part)
        np.testing.assert_array_equal(decided.target_qty, alone.target_qty)
        np.testing.assert_array_equal(decided.wanted, share * alone.wanted)
        assert decided.equity == alone.equity + idle
        account.cash -= decided.funding_quote.sum()


def test_another_share_is_no_loss_and_no_gain():
    params = params_for(HOUR, 6, capital_quote=1_000.0)
    decider = Decider(("BTC",), params, profiles=[Profile("crypto", "core")])
    nothing = np.zeros(1)
    decider.begin(Holdings(nothing, nothing, 1_000.0), capital_frac=0.3)
    bar = np.array([[100.0, 101.0, 99.0, 100.0, 10.0]])
    for n, share in enumerate((0.3, 0.1, 1.0)):
        decider.close_bar(
            n * HOUR.ns, bar, np.array([np.nan]), Holdings(nothing, nothing, 1_000.0), capital_frac=share
        )
        account = decider.document()["account"]
        assert math.isclose(account[acc.PEAK], account[acc.EQUITY])
        assert math.isclose(account[acc.EQUITY], 1_000.0 * share)
    kept = decider.document()
    again = Decider(("BTC",), params, profiles=[Profile("crypto", "core")])
    again.restore(json.loads(json.dumps(kept)))
    assert again.document() == kept


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, math.nan])
def test_a_share_that_is_none_is_refused(share):
    decider = Decider(("BTC",), params_for(HOUR, 6), profiles=[Profile("crypto", "core")])
    with pytest.raises(InputError, match="capital_frac must be > 0 and <= 1"):
        decider.begin(Holdings(np.zeros(1), np.zeros(1), 1_000.0), capital_frac=share)
