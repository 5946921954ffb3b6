"""A stored run is made again and compared, bit by bit, and its report draws what it saw."""

from dataclasses import replace
from pathlib import Path

import pytest

from backtest_desk import Desk, Trained
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.services.report import write_report
from small_market import HOUR


async def test_a_replay_has_the_same_content_hash(desk: Desk) -> None:
    stored = await desk.run()
    report = await desk.again(stored.id)
    assert report.passed
    assert report.same_content_hash
    assert report.first_difference is None
    assert set(report.diffs) == {
        "ic", "hit_rate", "turnover", "pnl_after_cost", "max_drawdown", "lineage_coverage",
    }  # fmt: skip
    assert set(report.diffs.values()) == {0.0}
    newest = await desk.again(0)
    assert newest.source_run_id == stored.id, "a replay is not what is replayed next"


async def test_other_code_is_named_but_passes_when_the_numbers_agree(desk: Desk) -> None:
    report = await desk.again((await desk.run()).id, code_version="code-2")
    assert report.passed
    assert not report.same_content_hash
    assert report.first_difference is not None
    assert report.first_difference.path == "parts.code"


async def test_a_failed_run_replays_to_the_same_failure(desk: Desk) -> None:
    stored = await desk.run(model_name="nobody")
    report = await desk.again(stored.id)
    assert report.passed
    assert report.reason == "model_artifact_missing"


async def test_replays_refuse_nonsense(desk: Desk) -> None:
    with pytest.raises(NotFoundError, match="backtest run not found"):
        await desk.again(10**9)
    with pytest.raises(InputError, match="tolerance"):
        await desk.again(1, tolerance=float("nan"))


async def test_a_changed_bar_is_found_by_the_replay(desk: Desk, trained: Trained) -> None:
    stored = await desk.run(targets=("BTC",))
    btc = trained.series[0]
    last = btc.values[-30:-29].copy()
    last[:, :4] *= 1.01
    changed = replace(btc, ts_ns=btc.ts_ns[-30:-29], values=last)
    async with desk.transactions() as stores:
        await stores.bars.merge(changed)
    try:
        report = await desk.again(stored.id)
    finally:
        async with desk.transactions() as stores:
            await stores.bars.merge(replace(btc, ts_ns=btc.ts_ns[-30:-29], values=btc.values[-30:-29]))
    assert not report.passed
    assert report.first_difference is not None
    assert report.first_difference.path == "parts.bars"
    assert (await desk.again(stored.id)).same_content_hash


async def test_newer_data_does_not_move_a_replay(desk: Desk, trained: Trained) -> None:
    stored = await desk.run(targets=("ETH",))
    eth = trained.series[1]
    newer = replace(eth, ts_ns=eth.ts_ns[-5:] + 5 * HOUR.ns, values=eth.values[-5:])
    async with desk.transactions() as stores:
        await stores.bars.merge(newer)
    assert (await desk.again(stored.id)).same_content_hash


async def test_the_report_draws_trades_on_the_bars_that_the_run_saw_and_on_no_others(
    desk: Desk, trained: Trained, tmp_path: Path
) -> None:
    stored = await desk.run(fee_bps=0.0, slippage_bps=0.0)
    assert stored.run.metrics["trades"] > 0
    ports = {"transactions": desk.transactions, "artifacts": desk.artifacts}
    html = (await write_report(stored.id, lang="en", out=tmp_path / "a.html", **ports)).read_text()
    assert html.count("<figure><figcaption>") >= 2
    assert "Universe bought and held" in html
    btc = trained.series[0]
    last = slice(btc.ts_ns.size - 30, btc.ts_ns.size - 29)
    moved = replace(btc, ts_ns=btc.ts_ns[last], values=btc.values[last] * 1.001)
    try:
        async with desk.transactions() as stores:
            await stores.bars.merge(moved)
        html = (await write_report(stored.id, lang="en", out=tmp_path / "b.html", **ports)).read_text()
    finally:
        async with desk.transactions() as stores:
            await stores.bars.merge(btc)
    seen = desk.files(stored).document["parts"]["bars"]
    assert f"The record no longer holds the bars that this run saw (hash {seen[:12]} → " in html
    assert "<figure><figcaption>" not in html
    assert "Universe bought and held" not in html
    assert "Most profitable" in html
