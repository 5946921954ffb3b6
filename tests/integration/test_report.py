"""The report of a run that lies in a real database, with its arrays in a real artifact."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from marketsentry.core.backtest.summary import empty_metrics
from marketsentry.core.gates.backtest import judge_windows
from marketsentry.exceptions import ConflictError, DependencyError, InputError, NotFoundError
from marketsentry.ports.runs import RunRecord
from marketsentry.services.candidate import TrainingResult
from marketsentry.services.report import write_report

AT = datetime(2026, 1, 2, tzinfo=UTC)
BLOCKED = TrainingResult(
    "blocked_by_data_quality",
    "panel_gapped",
    "v1",
    "liquid",
    ({"symbol": "BTC", "status": "blocked_by_data_quality", "reason": "missing_rate_exceeded"},),
)


def failed_run():
    metrics = {
        "status": "failed",
        "reason": "insufficient_prices",
        "detail": "BTC had 2 prices",
        "targets": ["BTC"],
        "model_name": "panel",
        "model_version": "v1",
        **empty_metrics(),
        "gate": judge_windows([]).document(),
    }
    return RunRecord(
        "liquid-wf-20260102000000", "liquid", None, "failed", AT, AT, metrics, {"targets": ["BTC"]}
    )


async def store(system, run):
    async with system.transactions() as stores:
        return (await stores.runs.add(run)).id


async def test_a_failed_run_gets_a_report_in_both_languages(system, tmp_path):
    run_id = await store(system, failed_run())
    for lang, words in (("en", "The run failed"), ("zh", "运行失败")):
        out = tmp_path / "new folder" / f"{lang}.html"
        written = await write_report(
            run_id,
            lang=lang,
            out=out,
            transactions=system.transactions,
            artifacts=system.artifacts,
            beside=[BLOCKED],
        )
        html = written.read_text(encoding="utf-8")
        assert written == out
        assert words in html
        assert "BTC had 2 prices" in html
        assert "panel_gapped" in html
    assert sorted(p.name for p in (tmp_path / "new folder").iterdir()) == ["en.html", "zh.html"]


async def test_the_same_run_gives_the_same_bytes(system, tmp_path):
    run_id = await store(system, failed_run())
    ports = {"transactions": system.transactions, "artifacts": system.artifacts}
    first = await write_report(run_id, lang="en", out=tmp_path / "a.html", **ports)
    second = await write_report(run_id, lang="en", out=tmp_path / "b.html", **ports)
    assert first.read_bytes() == second.read_bytes()


async def test_what_cannot_be_reported_is_refused_by_name(system, tmp_path):
    run_id = await store(system, failed_run())
    ports = {"transactions": system.transactions, "artifacts": system.artifacts}
    out = tmp_path / "report.html"
    with pytest.raises(InputError, match="lang must be one of zh, en, was 'fr'"):
        await write_report(run_id, lang="fr", out=out, **ports)
    with pytest.raises(InputError, match="scheme must be one of us, cn"):
        await write_report(run_id, lang="en", out=out, scheme="blue", **ports)
    with pytest.raises(InputError, match="needs a run or at least one candidate"):
        await write_report(None, lang="en", out=out, **ports)
    with pytest.raises(NotFoundError):
        await write_report(run_id + 1, lang="en", out=out, **ports)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DependencyError, match="could not be written"):
        await write_report(run_id, lang="en", out=tmp_path / "file" / "report.html", **ports)
    assert not out.exists()


async def test_a_damaged_artifact_is_not_reported(system, tmp_path):
    ref = system.artifacts.put("backtests", {"run.json": b"{}"})
    (ref.path / "run.json").chmod(0o644)
    (ref.path / "run.json").write_bytes(b"[]")
    run = replace(
        failed_run(),
        status="completed",
        content_hash="f" * 64,
        artifact_path=str(ref.path),
        artifact_sha256=ref.sha256,
    )
    run_id = await store(system, run)
    with pytest.raises(ConflictError):
        await write_report(
            run_id,
            lang="en",
            out=tmp_path / "report.html",
            transactions=system.transactions,
            artifacts=system.artifacts,
        )
