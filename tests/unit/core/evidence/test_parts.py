"""Performance rows, stability, interval coverage and capacity, against plain loops and planted truths."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_panel, random_predictions
from marketsentry.core.backtest.contributions import bar_pnl
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.evidence.capacity import CAPITALS_QUOTE, falls_to, measure_capacity
from marketsentry.core.evidence.intervals import LEVELS, MIN_LEARNED, measure_intervals, volatility_at
from marketsentry.core.evidence.performance import Traded, measure_performance
from marketsentry.core.evidence.resampling import Resampling
from marketsentry.core.evidence.sanity import measure_sanity
from marketsentry.core.evidence.stability import measure_stability
from marketsentry.core.gates.sanity import SanityLimits, judge_sanity
from marketsentry.core.gates.verdict import Outcome
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.splits.walk_forward import WalkForward, walk_forward
from marketsentry.core.stats.sharpe import sharpe

HOUR = parse_interval("1h")
DAY_NS = 24 * HOUR.ns


def plan_of(n_bars: int, horizon_bars: int) -> WalkForward:
    return walk_forward(n_bars, n_folds=4, horizon_bars=horizon_bars, embargo_bars=2, final_bars=n_bars // 6)


def test_rows_of_symbols_add_up_to_the_account_and_folds_to_the_whole() -> None:
    """K-48, K-51, K-52: one account, its parts per symbol, ratios of periodic returns with their intervals."""
    panel, horizon = random_panel(11, 3_000, 3, holes=0.02), 4
    predictions = random_predictions(11, (3_000, 3), repeat=0.9)
    plan, params = plan_of(3_000, horizon), params_for(HOUR, horizon)
    assert plan.final is not None
    tested, last = slice(plan.folds[0].test.start, plan.folds[-1].test.stop), plan.final.test
    outcome = forward_return(panel.close, horizon)
    traded = [
        Traded(
            replay(np.ascontiguousarray(predictions[rows]), panel.window(rows.start, rows.stop), params),
            predictions[rows],
            outcome[rows],
        )
        for rows in (tested, last)
    ]
    table = measure_performance(*traded, plan, Resampling(1, at_least_bars=horizon, n_resamples=100))
    account = traded[0].account
    pnl = bar_pnl(account)
    np.testing.assert_allclose(pnl.sum(axis=1), account.equity - account.equity_before, atol=1e-6)
    np.testing.assert_allclose(pnl.sum(axis=0), account.pnl_quote, atol=1e-6)
    assert table.walk_forward.pnl_after_cost_frac == pytest.approx(
        sum(row.pnl_after_cost_frac or 0.0 for row in table.symbols)
    )
    assert math.prod(1.0 + (row.pnl_after_cost_frac or 0.0) for row in table.folds) - 1.0 == pytest.approx(
        table.walk_forward.pnl_after_cost_frac
    )
    assert sum(row.n_trades for row in table.folds) == table.walk_forward.n_trades == account.trades.size
    assert sum(row.n_samples for row in table.symbols) == table.walk_forward.n_samples
    assert sum(row.turnover for row in table.symbols) == pytest.approx(table.walk_forward.turnover)
    days: dict[int, list[float]] = {}
    for at, before, after in zip(account.ts_ns, account.equity_before, account.equity, strict=True):
        days.setdefault(int(at) // DAY_NS, [float(before), 0.0])[1] = float(after)
    returns = np.array([end / start - 1.0 for start, end in days.values()])
    z = (returns - returns.mean()) / returns.std()
    whole = table.walk_forward
    assert whole.worst_daily_return == pytest.approx(returns.min())
    assert whole.skewness == pytest.approx(np.mean(z**3))
    assert whole.kurtosis == pytest.approx(np.mean(z**4))
    assert whole.tail_ratio == pytest.approx(abs(np.quantile(returns, 0.95) / np.quantile(returns, 0.05)))
    first = table.symbols[0]
    own = sharpe(pnl[:, 0] / account.equity_before, periods_per_year=8_760)
    assert own is not None
    assert first.sharpe == pytest.approx(own.value)
    assert first.sharpe_bounds is not None
    assert first.sharpe_bounds.low < own.value < first.sharpe_bounds.high


def test_a_part_without_a_prediction_has_no_ratio() -> None:
    panel = random_panel(12, 1_200, 2)
    nothing, plan = np.full((1_200, 2), np.nan), plan_of(1_200, 4)
    assert plan.final is not None
    rows = slice(plan.folds[0].test.start, plan.folds[-1].test.stop)
    account = replay(nothing[rows], panel.window(rows.start, rows.stop), params_for(HOUR, 4))
    last = replay(nothing[plan.final.test], panel.window(plan.final.test.start, 1_200), params_for(HOUR, 4))
    table = measure_performance(
        Traded(account, nothing[rows], nothing[rows]),
        Traded(last, nothing[plan.final.test], nothing[plan.final.test]),
        plan,
        Resampling(1, at_least_bars=4, n_resamples=100),
    )
    for row in (table.walk_forward, table.final, *table.folds, *table.symbols):
        assert (row.sharpe, row.sharpe_bounds, row.hit_rate, row.skewness) == (None, None, None, None)
        assert (row.pnl_after_cost_frac, row.max_drawdown_frac, row.n_trades) == (0.0, 0.0, 0)


def faded(*, from_ic: float, to_ic: float, n_bars: int = 6_000, seed: int = 1) -> tuple[np.ndarray, ...]:
    """Predictions and outcomes whose correlation moves from one value to another."""
    rng = np.random.default_rng(seed)
    outcome, noise = rng.normal(size=(2, n_bars, 2))
    skill = np.linspace(from_ic, to_ic, n_bars)[:, None]
    return skill * outcome + np.sqrt(1.0 - skill**2) * noise, outcome, np.arange(n_bars) * HOUR.ns


def test_fading_skill_is_seen_and_lasting_skill_is_not_called_fading() -> None:
    how = Resampling(1, at_least_bars=1, n_resamples=300)
    fading = measure_stability(*faded(from_ic=0.3, to_ic=-0.1), how)
    assert fading.trend is not None
    assert fading.trend.p_value < 0.01
    assert fading.trend.slope == pytest.approx(-0.4 / (6_000 / 8_760), rel=0.25)
    assert fading.difference is not None
    assert fading.difference == pytest.approx(-0.2, abs=0.06)
    assert fading.difference_p_value is not None
    assert fading.difference_p_value < 0.01
    assert len(fading.windows) == 24
    alarms = trends = 0
    for seed in range(60):
        lasting = measure_stability(*faded(from_ic=0.1, to_ic=0.1, n_bars=1_500, seed=seed), how)
        assert lasting.difference_p_value is not None
        assert lasting.trend is not None
        alarms += lasting.difference_p_value < 0.05
        trends += lasting.trend.p_value < 0.05
    assert alarms <= 9, "about 3 of 60"
    assert trends <= 9


def test_windows_do_not_overlap_and_hold_many_horizons() -> None:
    predicted, outcome, ts_ns = faded(from_ic=0.1, to_ic=0.1, n_bars=1_000)
    found = measure_stability(predicted, outcome, ts_ns, Resampling(1, at_least_bars=24))
    assert found.window_bars == 240
    assert [one.start_ns // HOUR.ns for one in found.windows] == [0, 240, 480, 720]
    assert found.windows[1].ic == pytest.approx(
        np.corrcoef(predicted[240:480].ravel(), outcome[240:480].ravel())[0, 1]
    )
    assert found.positive_frac == np.mean([(one.ic or 0.0) > 0 for one in found.windows])
    short = measure_stability(predicted[:9], outcome[:9], ts_ns[:9], Resampling(1, at_least_bars=24))
    assert (short.windows, short.positive_frac, short.trend, short.difference_bounds) == (
        (),
        None,
        None,
        None,
    )


def noisy(seed: int, *, shift: float = 0.0, n_bars: int = 6_000) -> tuple[np.ndarray, ...]:
    """Forecasts with errors of a volatility that changes fourfold; `shift` spoils those of the last block."""
    rng = np.random.default_rng(seed)
    sigma = 0.01 * np.exp(0.7 * np.sin(np.arange(n_bars) / 200.0))[:, None] * np.ones(2)
    values = rng.normal(0.0, 0.004, (n_bars, 2))
    errors = sigma * rng.standard_t(5, (n_bars, 2)) * 0.7
    errors[-n_bars // 6 :] += shift
    return values, values + errors, sigma


def test_intervals_cover_what_they_promise_and_lie_when_the_market_changed() -> None:
    how, plan = Resampling(1, at_least_bars=1, n_resamples=200), plan_of(6_000, 1)
    found = measure_intervals(*noisy(1), plan, how)
    names = ["walk_forward", "1", "2", "3", "final"]
    assert [(row.name, row.level) for row in found.coverage] == [
        (n, level) for n in names for level in LEVELS
    ]
    for row in found.coverage:
        assert row.covered_frac == pytest.approx(row.level, abs=0.03)
    whole = found.coverage[1]
    assert whole.covered_bounds is not None
    assert whole.covered_bounds.low <= 0.8 <= whole.covered_bounds.high
    spoiled = measure_intervals(*noisy(1, shift=0.05), plan, how)
    last = spoiled.coverage[-2]
    assert (last.name, last.level) == ("final", 0.8)
    assert last.covered_bounds is not None
    assert last.covered_bounds.high < 0.75


def test_coverage_agrees_with_a_loop_that_may_only_look_back() -> None:
    """K-53: labels that overlap teach only once their outcome was known before the span."""
    values, outcome, sigma = noisy(2, n_bars=1_500)
    values[::17, 0] = np.nan
    horizon, plan = 6, plan_of(1_500, 6)
    found = measure_intervals(values, outcome, sigma, plan, Resampling(1, at_least_bars=horizon))
    by_name = {(row.name, row.level): row for row in found.coverage}
    assert plan.final is not None
    for name, fold in (("1", plan.folds[1]), ("3", plan.folds[3]), ("final", plan.final)):
        learned = sorted(
            (outcome[t, n] - values[t, n]) / sigma[t, n]
            for t in range(plan.folds[0].test.start, fold.test.start - horizon)
            for n in range(2)
            if math.isfinite(values[t, n])
        )
        k = int((len(learned) + 1) * 0.1 + 1e-9)
        cells = [
            (t, n)
            for t in range(fold.test.start, fold.test.stop)
            for n in range(2)
            if math.isfinite(values[t, n])
        ]
        inside = [
            learned[k - 1] <= (outcome[t, n] - values[t, n]) / sigma[t, n] <= learned[-k] for t, n in cells
        ]
        row = by_name[name, 0.8]
        assert row.n_samples == len(cells)
        assert row.covered_frac == pytest.approx(sum(inside) / len(cells), abs=1e-12)
        said = [(sum(e > -values[c] / sigma[c] for e in learned) + 0.5) / (len(learned) + 1) for c in cells]
        brier = sum((p - (outcome[c] > 0)) ** 2 for p, c in zip(said, cells, strict=True)) / len(cells)
        assert next(one for one in found.direction if one.name == name).brier == pytest.approx(brier)


def test_what_comes_later_does_not_move_coverage_before() -> None:
    values, outcome, sigma = noisy(3)
    how, plan = Resampling(1, at_least_bars=6), plan_of(6_000, 6)
    changed = outcome.copy()
    changed[plan.folds[2].test.start :] *= -1.0
    before = {row.name: row for row in measure_intervals(values, outcome, sigma, plan, how).direction}
    after = {row.name: row for row in measure_intervals(values, changed, sigma, plan, how).direction}
    assert before["1"] == after["1"]
    assert before["2"].brier != after["2"].brier


def test_probabilities_of_a_sound_model_are_reliable_and_beat_the_base_rate() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(0.0, 0.01, (6_000, 2))
    outcome = values + rng.normal(0.0, 0.01, values.shape)
    found = measure_intervals(
        values, outcome, np.full(values.shape, 0.01), plan_of(6_000, 1), Resampling(1, at_least_bars=1)
    )
    for one in found.reliability:
        if one.n_samples > 500:
            assert one.risen_frac == pytest.approx(one.said_frac, abs=0.05)
    whole = found.direction[0]
    assert whole.gain_bounds is not None
    assert whole.gain_bounds.low > 0.0
    assert whole.gain == pytest.approx((whole.base_brier or 0.0) - (whole.brier or 0.0))
    worthless = measure_intervals(
        rng.normal(0.0, 0.01, values.shape), outcome, np.full(values.shape, 0.01), plan_of(6_000, 1),
        Resampling(1, at_least_bars=1),
    )  # fmt: skip
    assert worthless.direction[0].gain is not None
    assert worthless.direction[0].gain < 0.0


def test_too_few_errors_teach_nothing() -> None:
    values, outcome, sigma = noisy(5)
    values[: -MIN_LEARNED // 2] = np.nan
    found = measure_intervals(values, outcome, sigma, plan_of(6_000, 1), Resampling(1, at_least_bars=1))
    assert (found.coverage, found.direction, found.reliability) == ((), (), ())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 5))
def test_volatility_agrees_with_a_loop(seed: int, n_bars: int, warmup: int) -> None:
    close = random_panel(seed, n_bars, 2, holes=0.2).close
    params = params_for(HOUR, 4, volatility_halflife_bars=5.0, volatility_warmup_bars=warmup)
    found = volatility_at(close, params)
    alpha = 1.0 - 0.5 ** (1.0 / 5.0)
    for n in range(2):
        before, squares, count = None, 0.0, 0
        for t in range(n_bars):
            price = close[t, n]
            if math.isfinite(price):
                if before is not None:
                    count += 1
                    weight = alpha if count * alpha >= 1.0 else 1.0 / count
                    squares += weight * ((price / before - 1.0) ** 2 - squares)
                before = price
            expected = math.sqrt(squares) * 2.0 if count >= warmup and squares > 0.0 else math.nan
            np.testing.assert_allclose(found[t, n], expected, rtol=1e-12)


def test_more_money_earns_less_of_itself() -> None:
    panel = random_panel(6, 3_000, 2, holes=0.0, volume=5_000.0)
    predicted = 0.2 * np.nan_to_num(forward_return(panel.close, 12))
    predicted += np.random.default_rng(6).normal(0.0, 0.01, predicted.shape)
    params = params_for(HOUR, 12)
    found = measure_capacity(predicted, panel, params)
    assert [one.capital_quote for one in found.points] == list(CAPITALS_QUOTE)
    assert CAPITALS_QUOTE[0] == 1e4
    assert CAPITALS_QUOTE[-1] == 1e9
    small, large = found.points[0], found.points[-1]
    assert small.pnl_after_cost_frac is not None
    assert large.pnl_after_cost_frac is not None
    assert small.pnl_after_cost_frac > large.pnl_after_cost_frac
    assert small.cut_frac is not None
    assert large.cut_frac is not None
    assert small.cut_frac < 0.1 < 0.9 < large.cut_frac
    same = replay(predicted, panel, params_for(HOUR, 12, capital_quote=CAPITALS_QUOTE[4]))
    most = 0.1 * panel.values[same.fills["bar"], same.fills["symbol"], 4]
    assert found.points[4].cut_frac == np.mean(
        [q >= m * (1 - 1e-9) for q, m in zip(same.fills["qty"], most, strict=True)]
    )
    assert found.points[4].pnl_quote == pytest.approx(same.equity[-1] - CAPITALS_QUOTE[4])
    assert found.half_sharpe_capital_quote is not None
    assert 1e4 < found.half_sharpe_capital_quote < 1e9


def test_a_crossing_is_interpolated_over_the_logarithm_of_capital() -> None:
    capitals = (1e4, 1e6, 1e8)
    assert falls_to(capitals, (2.0, 1.5, 0.5), 1.0) == pytest.approx(1e7)
    assert falls_to(capitals, (2.0, 0.0, -1.0), 0.0) == pytest.approx(1e6)
    assert falls_to(capitals, (2.0, 1.8, 1.7), 1.0) is None
    assert falls_to(capitals, (-1.0, 2.0, 0.5), 0.0) is None
    assert falls_to(capitals, (2.0, None, 0.5), 1.0) is None
    assert falls_to(capitals, (None, 1.0, 0.5), None) is None


def test_prices_that_never_move_and_one_symbol_give_no_figures_and_no_error() -> None:
    """Bad input: constant prices have no volatility, no correlation, nothing to cover."""
    panel = random_panel(7, 1_200, 1, holes=0.0)
    values = panel.values.copy()
    values[:, :, :4] = 100.0
    panel, plan = replace(panel, values=values), plan_of(1_200, 4)
    assert plan.final is not None
    rows, last = slice(plan.folds[0].test.start, plan.folds[-1].test.stop), plan.final.test
    predicted, params = random_predictions(7, (1_200, 1)), params_for(HOUR, 4)
    outcome, how = forward_return(panel.close, 4), Resampling(1, at_least_bars=4, n_resamples=100)
    traded = [
        Traded(
            replay(np.ascontiguousarray(predicted[span]), panel.window(span.start, span.stop), params),
            predicted[span],
            outcome[span],
        )
        for span in (rows, last)
    ]
    table = measure_performance(*traded, plan, how)
    assert (table.walk_forward.n_trades, table.walk_forward.sharpe) == (0, None)
    found = measure_intervals(predicted, outcome, volatility_at(panel.close, params), plan, how)
    assert (found.coverage, found.direction) == ((), ())
    lasting = measure_stability(predicted[rows], outcome[rows], panel.ts_ns[rows], how)
    assert {one.ic for one in lasting.windows} == {None}
    assert (lasting.trend, lasting.positive_frac, lasting.difference) == (None, None, None)
    capacity = measure_capacity(
        np.ascontiguousarray(predicted[rows]), panel.window(rows.start, rows.stop), params
    )
    assert {one.cut_frac for one in capacity.points} == {None}
    assert capacity.half_sharpe_capital_quote is None
    facts = measure_sanity(traded[0].account, panel.window(rows.start, rows.stop), ())
    review = judge_sanity(facts, SanityLimits())
    assert review.outcome is Outcome.INSUFFICIENT_OBSERVATION


def test_an_account_that_lost_everything_is_no_evidence() -> None:
    panel = random_panel(2, 400, 1, holes=0.0, deviation=0.001, volume=1e9)
    values = panel.values.copy()
    values[100:, :, :4] *= 3.0
    panel = replace(panel, values=values)
    params = params_for(HOUR, 1, position_volatility_frac=None, max_single_weight=1.0, max_turnover=9.0,
                        volatility_warmup_bars=1)  # fmt: skip
    account = replay(np.full((400, 1), -0.5), panel, params)
    assert account.equity[-1] <= 0.0
    review = judge_sanity(measure_sanity(account, panel, ()), SanityLimits())
    assert review.outcome is not Outcome.PASS
    unknown = {check.name for check in review.checks if check.value is None}
    assert {"sharpe_plausible", "annual_return_plausible", "bar_return_plausible"} <= unknown
