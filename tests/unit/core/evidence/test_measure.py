"""The parts of an evidence pack on a small market whose truth is known."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.evidence.baselines import NAIVE, RIDGE, sharpe_of_sums
from marketsentry.core.evidence.importance import measure_importance, permutation_losses
from marketsentry.core.evidence.measure import Shown, measure_evidence
from marketsentry.core.evidence.overfitting import measure_overfitting
from marketsentry.core.evidence.pack import EvidencePack, pack_bytes, read_pack
from marketsentry.core.evidence.resampling import Resampling
from marketsentry.core.evidence.ridge import ridge_predictions
from marketsentry.core.evidence.sanity import measure_sanity
from marketsentry.core.evidence.skill import correlation_of_sums, measure_calibration, skill_row
from marketsentry.core.evidence.trials import TrialHistory, measure_trials
from marketsentry.core.gates.leak import MeasuredIc
from marketsentry.core.gates.sanity import SanityLimits, judge_sanity
from marketsentry.core.splits.walk_forward import Fold, walk_forward
from marketsentry.core.stats.deflated_sharpe import expected_maximum_sharpe
from marketsentry.core.training.evaluation import evaluate
from marketsentry.exceptions import ConflictError, InputError
from training_inputs import SYMBOLS, make_dataset

N_BARS, HORIZON, HORIZON_BARS = 6_000, "1h", 12
PLAN = walk_forward(N_BARS, n_folds=3, horizon_bars=HORIZON_BARS, embargo_bars=12, final_bars=900)
HOW = Resampling(7, at_least_bars=HORIZON_BARS, n_resamples=200)


@cache
def measured(seed: int = 1, n_threads: int = 1) -> EvidencePack:
    dataset = make_dataset(n_bars=N_BARS)
    label = dataset.labels[HORIZON]
    values = np.full(label.shape, np.nan)
    rng = np.random.default_rng(0)
    assert PLAN.final is not None
    for fold in (*PLAN.folds, PLAN.final):
        noise = rng.normal(0.0, 0.004, label[fold.test].shape)
        values[fold.test] = 0.3 * np.nan_to_num(label[fold.test]) + noise
    evaluation = evaluate(PLAN, values, dataset.panel, params_for(dataset.panel.interval, HORIZON_BARS))
    ics = (MeasuredIc(evaluation.walk_forward["ic"], 300),)
    rows = slice(PLAN.folds[0].test.start, PLAN.folds[-1].test.stop)
    tested = dataset.panel.window(rows.start, rows.stop)
    params = evaluation.account.params
    shown = Shown(
        values,
        evaluation.account,
        (),
        None,
        is_sound=True,
        history=TrialHistory(2, (0.4, 1.1)),
        final_account=evaluation.final_account,
        sanity=judge_sanity(measure_sanity(evaluation.account, tested, ics), SanityLimits()),
        overfitting=measure_overfitting(np.ascontiguousarray(values[rows]), tested, params, seed=seed),
    )
    pack = measure_evidence(
        dataset, shown, horizon=HORIZON, plan=PLAN, recipe_hash="r", seed=seed, n_threads=n_threads
    )
    assert pack.skill.walk_forward.ic == pytest.approx(evaluation.walk_forward["ic"], abs=1e-12)
    assert pack.skill.final.rank_ic == pytest.approx(evaluation.final["rank_ic"], abs=1e-12)
    assert [row.ic for row in pack.skill.folds] == pytest.approx(
        [fold["ic"] for fold in evaluation.walk_forward["folds"]]
    )
    for name in ("pnl_after_cost", "max_drawdown"):
        assert getattr(pack.scenarios[0], f"{name}_frac") == evaluation.walk_forward[name]
    whole = pack.performance.walk_forward
    assert whole.sharpe_bounds == pack.trials.sharpe_bounds, "one ratio has one interval"
    for name in ("hit_rate", "turnover", "exposure", "sortino"):
        assert getattr(whole, name) == pytest.approx(evaluation.walk_forward[name]), name
    assert whole.pnl_after_cost_frac == pytest.approx(evaluation.walk_forward["pnl_after_cost"])
    assert whole.max_drawdown_frac == pytest.approx(evaluation.walk_forward["max_drawdown"])
    assert whole.n_trades == evaluation.walk_forward["trades"]
    assert pack.performance.final.sharpe == pytest.approx(evaluation.final["sharpe"])
    for fold, row in zip(evaluation.walk_forward["folds"], pack.performance.folds, strict=True):
        assert row.pnl_after_cost_frac == pytest.approx(fold["pnl_after_cost"])
        assert (row.sharpe, row.n_trades) == (pytest.approx(fold["sharpe"]), fold["trades"])
    parts = evaluation.walk_forward["per_target"]
    for row in pack.performance.symbols:
        assert row.pnl_after_cost_frac == pytest.approx(parts[row.name]["pnl_after_cost"])
        assert row.turnover == pytest.approx(parts[row.name]["turnover"])
        assert row.n_trades == parts[row.name]["trades"]
    assert pack.trials.sharpe == pytest.approx(evaluation.walk_forward["sharpe"])
    return pack


def test_a_pack_reads_back_as_it_was_and_its_bytes_follow_from_the_seed() -> None:
    pack = measured()
    assert read_pack(pack_bytes(pack)) == pack
    assert pack_bytes(measured.__wrapped__()) == pack_bytes(pack)
    other = measured(2)
    assert other.skill.walk_forward.ic == pack.skill.walk_forward.ic
    assert other.skill.walk_forward.ic_bounds != pack.skill.walk_forward.ic_bounds


def test_threads_change_no_bit_of_a_pack() -> None:
    assert pack_bytes(measured(n_threads=3)) == pack_bytes(measured())


def test_a_pack_of_another_schema_is_refused() -> None:
    with pytest.raises(ConflictError, match="must have schema evidence/2, had evidence/0"):
        read_pack(pack_bytes(replace(measured(), schema="evidence/0")))


def test_a_pack_without_a_centre_was_counted_from_zero() -> None:
    document = json.loads(pack_bytes(measured()))
    del document["trials"]["centre"]
    assert read_pack(json.dumps(document).encode()).trials.centre == 0.0


def test_every_part_is_there() -> None:
    pack = measured()
    assert [row.name for row in pack.skill.folds] == ["0", "1", "2"]
    assert [row.name for row in pack.skill.symbols] == list(SYMBOLS)
    assert sum(row.n_samples for row in pack.skill.months) == pack.skill.walk_forward.n_samples
    assert tuple(one.name for one in pack.baselines) == (*NAIVE, RIDGE)
    assert [one.name for one in pack.scenarios][:5] == [
        "as_assumed", "costs_x2", "delay_plus_1", "capital_x10", "capital_x100",
    ]  # fmt: skip
    assert [one.name for one in pack.scenarios][5:] == [f"without:{symbol}" for symbol in SYMBOLS]
    assert len(pack.calibration.bins) == 10


def test_intervals_hold_what_was_measured_and_know_the_overlap() -> None:
    row = measured().skill.walk_forward
    assert row.ic is not None
    assert row.ic_bounds is not None
    assert row.ic_bounds.low < row.ic < row.ic_bounds.high
    assert row.block_bars >= HORIZON_BARS


def test_worse_assumptions_show() -> None:
    by_name = {one.name: one for one in measured().scenarios}
    base, dearer, larger = (by_name[name] for name in ("as_assumed", "costs_x2", "capital_x100"))
    assert base.pnl_after_cost_frac is not None
    assert dearer.pnl_after_cost_frac is not None
    assert dearer.pnl_after_cost_frac < base.pnl_after_cost_frac
    assert dearer.n_trades == pytest.approx(base.n_trades, rel=0.05), "decisions count on the assumed costs"
    assert larger.turnover < base.turnover, "a hundred times the money does not find the volume"


def test_buy_and_hold_buys_once_and_earns_what_the_market_earned() -> None:
    dataset = make_dataset(n_bars=N_BARS)
    hold, equal, momentum, ridge = measured().baselines
    assert hold.turnover == pytest.approx(1.0, abs=1e-6)
    assert equal.turnover >= hold.turnover
    assert momentum.turnover > 0.0
    close = dataset.panel.close[PLAN.folds[0].test.start : PLAN.folds[-1].test.stop]
    market = float(np.mean(close[-1] / close[26])) - 1.0
    assert hold.pnl_after_cost_frac == pytest.approx(market, abs=0.02)
    assert ridge.ic is not None
    for one in (hold, equal, momentum, ridge):
        assert one.sharpe_lead_bounds is not None
        assert one.sharpe_lead is not None
        assert one.sharpe_lead_bounds.low < one.sharpe_lead < one.sharpe_lead_bounds.high


def test_ratios_from_sums_are_the_ratios() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 500))
    sums = np.array([[500.0, x.sum(), y.sum(), x @ x, y @ y, x @ y]])
    assert correlation_of_sums(sums)[0] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert sharpe_of_sums(sums[:, [0, 1, 3]])[0] == pytest.approx(x.mean() / x.std(ddof=1))
    assert np.isnan(sharpe_of_sums(np.array([[5.0, 0.0, 0.0]]))[0])


def test_intervals_of_overlapping_labels_cover_a_planted_correlation() -> None:
    """Labels of 12 bars overlap; nine of ten intervals must still hold the true correlation of 0.1."""
    rng = np.random.default_rng(4)
    how = Resampling(1, at_least_bars=12, n_resamples=200, level=0.9)
    covered = 0
    for _ in range(100):
        steps = rng.normal(size=(1_512, 2))
        label = np.stack([np.convolve(column, np.ones(12), "valid") for column in steps.T], axis=1) / 12**0.5
        drift = rng.normal(size=(1_512, 2))
        other = np.stack([np.convolve(column, np.ones(12), "valid") for column in drift.T], axis=1) / 12**0.5
        row = skill_row("x", 0.1 * label + (1 - 0.01) ** 0.5 * other, label, how)
        assert row.ic_bounds is not None
        covered += row.ic_bounds.low <= 0.1 <= row.ic_bounds.high
    assert 80 <= covered <= 97


def test_calibration_finds_a_forecast_that_promises_twice_too_much() -> None:
    rng = np.random.default_rng(5)
    outcome = rng.normal(0.0, 0.01, (2_000, 2))
    told = measure_calibration(2.0 * outcome, outcome, HOW)
    assert told.slope == pytest.approx(0.5)
    assert [one.n_samples for one in told.bins] == [400] * 10
    assert told.bins[0].predicted_frac == pytest.approx(2.0 * told.bins[0].realised_frac)
    assert measure_calibration(outcome[:4], outcome[:4], HOW).bins == ()
    assert len(measure_calibration(np.ones((200, 1)), outcome[:200, :1], HOW).bins) == 1


def test_a_short_or_flat_part_has_no_interval() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(59, 1))
    assert skill_row("short", x, x + rng.normal(size=x.shape), HOW).ic_bounds is None
    flat = skill_row("flat", np.ones((500, 1)), rng.normal(size=(500, 1)), HOW)
    assert (flat.ic, flat.ic_bounds, flat.n_samples) == (None, None, 500)
    empty = skill_row("none", np.full((500, 1), np.nan), np.ones((500, 1)), HOW)
    assert (empty.n_samples, empty.rank_ic_bounds) == (0, None)


def test_a_ridge_finds_a_linear_truth_without_looking_ahead() -> None:
    rng = np.random.default_rng(7)
    features = rng.normal(size=(3_000, 2, 4))
    label = 0.01 * features[:, :, 1] + rng.normal(0.0, 0.01, (3_000, 2))
    features[::7, 0, 2] = np.nan
    features[:, :, 3] = 5.0
    present = np.ones((3_000, 2), dtype=np.bool_)
    present[2_500, 0] = False
    folds = (Fold(0, slice(0, 1_990), slice(2_000, 3_000)),)
    found = ridge_predictions(features, label, present, folds)
    assert np.isnan(found[:2_000]).all()
    assert np.isnan(found[2_500, 0])
    assert np.isfinite(found[2_000:]).sum() == 1_999
    assert np.corrcoef(found[2_600:, 1], features[2_600:, 1, 1])[0, 1] > 0.99
    changed = label.copy()
    changed[1_990:] = 9.0
    np.testing.assert_array_equal(ridge_predictions(features, changed, present, folds), found)


def test_a_ridge_predicts_each_row_by_itself() -> None:
    rng = np.random.default_rng(17)
    features = rng.normal(size=(6_000, 3, 5))
    features[rng.random(features.shape) < 0.1] = np.nan
    features[4_000, 1, 2] = np.inf
    label = rng.normal(0.0, 0.01, (6_000, 3)) + 0.01 * np.nan_to_num(features[:, :, 0])
    present = rng.random((6_000, 3)) < 0.9
    fold = Fold(0, slice(0, 1_990), slice(2_000, 6_000))
    one_bar = [
        ridge_predictions(
            np.concatenate((features[:2_000], features[t : t + 1])),
            np.concatenate((label[:2_000], label[t : t + 1])),
            np.concatenate((present[:2_000], present[t : t + 1])),
            (Fold(0, fold.train, slice(2_000, 2_001)),),
        )[2_000]
        for t in range(2_000, 6_000, 97)
    ]
    found = ridge_predictions(features, label, present, (fold,))
    np.testing.assert_allclose(found[2_000:6_000:97], one_bar, rtol=1e-12)
    np.testing.assert_array_equal(np.isfinite(found[2_000:]), present[2_000:])


def test_shuffling_costs_where_a_feature_counts_and_nothing_where_not() -> None:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(4_000, 3))
    y = X[:, 0] + 0.3 * X[:, 1]
    kept = X.copy()
    losses = permutation_losses(lambda rows: rows[:, 0] + 0.3 * rows[:, 1], X, y, rng=rng)
    np.testing.assert_array_equal(X, kept)
    assert losses[0] > losses[1] > 0.0
    assert losses[2] == 0.0
    rows = measure_importance(("a", "b", "c"), (losses, losses), np.array([1.0, 2.0, 1.0]))
    assert [row.feature for row in rows] == ["a", "b", "c"]
    assert [row.gain_frac for row in rows] == [0.25, 0.5, 0.25]
    assert measure_importance(("a",), (), None) == ()
    assert np.isnan(permutation_losses(lambda rows: np.zeros(len(rows)), X, y, rng=rng)).all()


@pytest.mark.parametrize("is_sound", [True, False])
def test_trials_count_whether_sound_or_not_and_only_the_sound_spread(is_sound: bool) -> None:
    dataset = make_dataset(n_bars=2_000)
    rng = np.random.default_rng(9)
    account = replay(
        rng.normal(0.0, 0.004, dataset.panel.close.shape),
        dataset.panel,
        params_for(dataset.panel.interval, 12),
    )
    by_chance = (365 * 288 / 2_000) ** 0.5
    found = measure_trials(account, TrialHistory(10, (1.0, 30.0)), HOW, is_sound=is_sound)
    assert found.n_trials == 11
    assert found.n_measured == 2 + is_sound
    assert found.expected_maximum == pytest.approx(
        found.centre + expected_maximum_sharpe(11, found.deviation)
    )
    if not is_sound:
        assert found.deviation == pytest.approx(29.0 / 2.0**0.5)
    first = measure_trials(account, TrialHistory(), HOW, is_sound=is_sound)
    assert (first.n_trials, first.expected_maximum) == (1, 0.0)
    unknown = measure_trials(account, TrialHistory(5), HOW, is_sound=False)
    assert (unknown.centre, unknown.deviation) == (0.0, pytest.approx(by_chance))
    close = measure_trials(account, TrialHistory(5, (1.0, 1.1)), HOW, is_sound=False)
    assert close.deviation == pytest.approx(by_chance), "trials that hardly differ are held against chance"


def test_too_few_resamples_are_refused() -> None:
    with pytest.raises(InputError, match="n_resamples must be >= 100, was 10"):
        Resampling(1, at_least_bars=1, n_resamples=10)
