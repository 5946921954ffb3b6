"""A registered model replayed over the record: real PostgreSQL, real files, real fold models."""

from pathlib import Path

import numpy as np
import pytest

from backtest_desk import CONTRACT_KEYS, N_DAYS, SYMBOLS, WINDOW, Desk, Trained
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.backtest.request import DAY_NS
from marketsentry.core.backtest.summary import METRIC_KEYS
from marketsentry.core.gates.verdict import Outcome, verdict_from_document
from marketsentry.core.training.artifact import read_manifest, read_predictions
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.services.backtest import read_stored_run
from small_market import HOUR


async def test_a_run_has_every_metric_and_is_stored(desk: Desk) -> None:
    stored = await desk.run()
    metrics = stored.run.metrics
    assert stored.run.status == metrics["status"] == "completed"
    assert metrics.keys() >= CONTRACT_KEYS | set(METRIC_KEYS)
    assert stored.run.run_name == "liquid-wf-20260304050607"
    assert stored.run.config["targets"] == list(SYMBOLS)
    assert stored.run.config["horizon"] == "1h"
    assert metrics["periods_per_year"] == 8_760
    assert metrics["lineage_coverage"] == 1.0
    assert len(metrics["folds"]) == 4
    assert metrics["gate"]["outcome"] in ("pass", "fail")
    review = verdict_from_document(metrics["sanity"])
    by_name = {check.name: check for check in review.checks}
    assert by_name["n_trades"].value == sum(desk.files(stored).trades["exit_bar"] >= 0) == 0
    assert by_name["costs_charged"].detail == "not measured: nothing was traded"
    assert review.outcome is Outcome.INSUFFICIENT_OBSERVATION
    assert by_name["ic_plausible"].value is not None
    assert metrics["equity_curve_ref"].endswith("/equity.npy")
    assert await read_stored_run(stored.id, transactions=desk.transactions) == stored
    with pytest.raises(NotFoundError, match="backtest run not found"):
        await read_stored_run(10**9, transactions=desk.transactions)


async def test_the_registered_models_are_what_scores(desk: Desk) -> None:
    """K-46: where training stored out-of-sample predictions, the replay makes the same ones from the fold models."""
    run = desk.files(await desk.run())
    async with desk.transactions() as stores:
        model = (await stores.models.get("panel", "v1")).model
    stored = read_predictions(desk.artifacts.get(model.artifact_path, model.artifact_sha256))
    rows = np.searchsorted(stored.ts_ns, run.ts_ns)
    both = np.isfinite(run.predictions) & (stored.fold[rows] >= 0)[:, None]
    assert both.sum() > 1_000
    np.testing.assert_array_equal(run.predictions[both], stored.values[rows][both])


async def test_nothing_trades_in_the_training_part(desk: Desk) -> None:
    """K-10: train_days and test_days are honoured."""
    stored = await desk.run()
    run = desk.files(stored)
    window = stored.run.config["window"]
    assert window["end_ns"] - run.ts_ns[0] == WINDOW["lookback_days"] * DAY_NS
    n_untraded = WINDOW["train_days"] * 24
    assert np.isnan(run.predictions[:n_untraded]).all()
    assert (run.equity[:n_untraded] == run.equity[0]).all()
    assert np.isfinite(run.predictions[n_untraded:]).any()
    lengths = {fold["end_ns"] - fold["start_ns"] + HOUR.ns for fold in stored.run.metrics["folds"]}
    assert lengths == {WINDOW["test_days"] * DAY_NS}


async def test_models_with_less_history_than_train_days_score_nothing(desk: Desk) -> None:
    stored = await desk.run(lookback_days=90, train_days=28, test_days=10)
    async with desk.transactions() as stores:
        model = (await stores.models.get("panel", "v1")).model
    manifest = read_manifest(desk.artifacts.get(model.artifact_path, model.artifact_sha256))
    spans = [fold["train"] for fold in manifest["recipe"]["folds"]]
    too_short = [stop - start < 28 * 24 for start, stop in spans]
    assert any(too_short), "the first fold trains on less than four weeks"
    first_long = spans[too_short.index(False)][1] + manifest["wf_purge_window"]
    run = desk.files(stored)
    bar_of_row = np.arange(run.ts_ns.size) + N_DAYS * 24 - 90 * 24
    known = np.isfinite(run.predictions).any(axis=1)
    assert bar_of_row[known].min() == max(first_long, (N_DAYS - 90 + 28) * 24)


async def test_the_same_inputs_give_the_same_bits(desk: Desk) -> None:
    first, second = await desk.run(), await desk.run()
    assert first.id != second.id
    assert first.run.metrics == second.run.metrics
    assert first.run.content_hash == second.run.content_hash
    assert first.run.artifact_path == second.run.artifact_path


async def test_the_costs_of_the_request_are_charged(desk: Desk) -> None:
    runs = [await desk.run(fee_bps=fee, slippage_bps=slip) for fee, slip in ((1.0, 0.5), (0.5, 1.0))]
    for stored, fee, slip in zip(runs, (1.0, 0.5), (0.5, 1.0), strict=True):
        fills = desk.files(stored).fills
        notional = fills["qty"] * fills["reference_price"]
        np.testing.assert_allclose(fills["fee_quote"], notional * fee * 1e-4)
        np.testing.assert_allclose(fills["slippage_quote"], notional * slip * 1e-4)
        costs = stored.run.metrics["cost_breakdown"]
        capital = stored.run.config["replay"]["capital_quote"]
        assert costs["fee"] == pytest.approx(fills["fee_quote"].sum() / capital)
        assert costs["impact"] > 0
    assert runs[0].run.content_hash != runs[1].run.content_hash


async def test_an_unregistered_model_fails_with_every_metric(desk: Desk) -> None:
    for changes in (
        {"model_name": "nobody"},
        {"track": "vc"},
        {"model_name": "panel", "model_version": "v9"},
    ):
        stored = await desk.run(**changes)
        metrics = stored.run.metrics
        assert stored.run.status == "failed"
        assert metrics["reason"] == "model_artifact_missing"
        assert metrics.keys() >= CONTRACT_KEYS
        assert metrics["gate_passed"] is False
        assert metrics["sanity"] is None
        assert stored.run.content_hash is None


async def test_another_horizon_than_the_models_is_refused(desk: Desk) -> None:
    with pytest.raises(InputError, match="horizon must be 1h for model panel:v1, was 1d"):
        await desk.run(horizon="1d")


async def test_a_window_longer_than_the_history_fails(desk: Desk) -> None:
    """K-49: a window is complete or the run fails."""
    stored = await desk.run(lookback_days=200)
    assert stored.run.metrics["reason"] == "insufficient_prices"
    assert set(stored.run.metrics["per_target"]) == set(SYMBOLS)


async def test_features_of_another_schema_are_refused(desk: Desk) -> None:
    stored = await desk.run(data_version="other")
    assert stored.run.metrics["reason"] == "lineage_mismatch"


async def test_a_data_version_without_features_fails(desk: Desk) -> None:
    stored = await desk.run(data_version="v7")
    assert stored.run.metrics["reason"] == "insufficient_features"


async def test_a_failed_target_is_reported_and_never_averaged_in(desk: Desk) -> None:
    """K-48: a target that cannot be replayed is no zero in any mean."""
    alone, with_stranger = await desk.run(targets=("BTC",)), await desk.run(targets=("BTC", "DOGE"))
    metrics = with_stranger.run.metrics
    assert with_stranger.run.status == "completed"
    assert metrics["per_target"]["DOGE"]["status"] == "failed"
    assert metrics["per_target"]["DOGE"]["reason"] == "insufficient_features"
    for name in ("ic", "hit_rate", "pnl_after_cost", "sharpe", "turnover"):
        assert metrics[name] == alone.run.metrics[name]


async def test_a_damaged_or_lost_artifact_fails_the_run(desk: Desk, trained: Trained) -> None:
    """K-46: the hash of the artifact is verified before it is run."""
    async with desk.transactions() as stores:
        model = (await stores.models.get("panel", "v1")).model
    folder = Path(model.artifact_path)
    victim = folder / "fold-0.model.txt"
    content = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(content.replace(b"1", b"2", 1))
    try:
        assert (await desk.run()).run.metrics["reason"] == "model_load_failed"
        moved = folder.rename(trained.folder / "elsewhere")
        assert (await desk.run()).run.metrics["reason"] == "model_artifact_missing"
        moved.rename(folder)
    finally:
        victim.write_bytes(content)
    assert (await desk.run()).run.status == "completed"


async def test_lost_bars_block_their_target(desk: Desk, trained: Trained) -> None:
    async with Database(trained.url) as database, database.connection() as connection:
        await connection.execute(
            "CREATE TABLE kept AS SELECT * FROM market_bars WHERE symbol = 'ETH' AND "
            "ts >= (SELECT max(ts) FROM market_bars) - interval '20 days' AND "
            "ts < (SELECT max(ts) FROM market_bars) - interval '17 days'"
        )
        await connection.execute(
            "DELETE FROM market_bars b USING kept k WHERE b.symbol = 'ETH' AND b.ts = k.ts"
        )
    try:
        stored = await desk.run()
        assert stored.run.status == "completed"
        assert stored.run.metrics["per_target"]["ETH"]["reason"] == "data_quality_blocked"
        alone = await desk.run(targets=("ETH",))
        assert alone.run.metrics["reason"] == "data_quality_blocked"
    finally:
        async with Database(trained.url) as database, database.connection() as connection:
            await connection.execute("INSERT INTO market_bars SELECT * FROM kept")
            await connection.execute("DROP TABLE kept")
