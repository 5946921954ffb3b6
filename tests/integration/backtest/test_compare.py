"""Stored runs compared: real PostgreSQL, real artifacts, the command line."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import backtest_desk
from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.ports.runs import StoredRun
from marketsentry.services.backtest import RunContext, run_backtest
from marketsentry.services.compare import StoredComparison, compare_stored, write_comparison
from marketsentry.services.replay_check import check_replay
from small_market import FixedClock
from verbs import ms, on_engines

FREE = BacktestRequest("liquid", lookback_days=60, train_days=20, test_days=10, fee_bps=0.0, slippage_bps=0.0)
DEAR = replace(FREE, fee_bps=1.0)
SHORT = replace(FREE, lookback_days=50)
NOBODY = replace(FREE, model_name="nobody", model_version="v9")


@dataclass(frozen=True)
class Desk:
    """Four stored runs in this order: free, dear, a shorter window, and one that failed."""

    context: RunContext
    folder: Path
    ids: tuple[int, ...]

    async def compare(self, *references: str) -> StoredComparison:
        return await compare_stored(
            references, transactions=self.context.transactions, artifacts=self.context.artifacts
        )


@dataclass(frozen=True)
class Made:
    url: str
    folder: Path
    ids: tuple[int, ...]


@pytest.fixture(scope="module")
def made(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("compare")

    async def fill() -> tuple[int, ...]:
        async with Database(module_database_url) as database:
            trained = backtest_desk.Desk(database.transactions, folder)
            await backtest_desk.train_version(trained)
            context = _context(database, folder)
            return tuple([(await _run(request, context)).id for request in (FREE, DEAR, SHORT, NOBODY)])

    return Made(module_database_url, folder, asyncio.run(fill()))


def _context(database: Database, folder: Path) -> RunContext:
    artifacts = FileArtifacts(folder / "artifacts", model_dir=folder / "models")
    return RunContext(
        database.transactions, artifacts, FixedClock(datetime(2026, 3, 4, tzinfo=UTC)), "code-1"
    )


async def _run(request: BacktestRequest, context: RunContext) -> StoredRun:
    return await run_backtest(
        request,
        transactions=context.transactions,
        artifacts=context.artifacts,
        clock=context.clock,
        defaults=backtest_desk.DEFAULTS,
        code_version=context.code_version,
    )


@pytest.fixture
async def desk(made: Made) -> AsyncIterator[Desk]:
    async with Database(made.url) as database:
        yield Desk(_context(database, made.folder), made.folder, made.ids)


async def test_equal_windows_keep_the_metrics_that_are_stored(desk: Desk) -> None:
    free, dear, *_ = map(str, desk.ids)
    result = await desk.compare(free, dear)
    found = result.comparison
    for i, stored in enumerate(result.runs):
        for name in ("pnl_after_cost", "max_drawdown", "sharpe", "turnover", "trades", "exposure", "ic"):
            assert found.metrics[name][i] == pytest.approx(stored.run.metrics[name], rel=1e-9), name
        for name, share in stored.run.metrics["cost_breakdown"].items():
            assert found.metrics[name][i] == pytest.approx(share, rel=1e-9, abs=1e-15)
    assert found.best["fee"] == (0,)
    assert found.metrics["fee"][0] == 0.0 < found.metrics["fee"][1]
    assert dict(found.differences) == {"fee_bps": [0.0, 1.0], "replay.fee_bps": [0.0, 1.0]}


async def test_a_shorter_run_cuts_the_window_and_says_what_is_left_out(desk: Desk) -> None:
    free, _, short, _ = map(str, desk.ids)
    found = (await desk.compare(free, short)).comparison
    assert found.window.n_bars == 30 * 24
    assert [(one.n_before, one.n_after) for one in found.window.accounts] == [(10 * 24, 0), (0, 0)]
    assert found.metrics["ic"][0] is None
    assert found.metrics["ic"][1] is not None
    assert "data.bars" in found.differences


async def test_a_run_and_its_replay_differ_in_nothing(desk: Desk) -> None:
    report = await check_replay(
        desk.ids[1], tolerance=0.0, context=desk.context, defaults=backtest_desk.DEFAULTS
    )
    found = (await desk.compare(str(desk.ids[1]), str(report.replay_run_id))).comparison
    (pair,) = found.pairs
    assert found.differences == {}
    assert (pair.test.excess.value, pair.test.excess.p_value, pair.test.sharpe.value) == (0.0, 1.0, 0.0)
    assert pair.shared.same_entry_frac == pair.shared.same_holding_frac == 1.0
    newest = await desk.compare(str(desk.ids[0]), "panel:v1")
    assert newest.runs[1].id == desk.ids[2], "a replay is not the newest run of a model"


async def test_what_cannot_be_compared_is_named(desk: Desk) -> None:
    free, _, _, failed = map(str, desk.ids)
    with pytest.raises(
        ConflictError, match=rf"run {failed} of nobody:v9 cannot be compared: it failed \(model_"
    ):
        await desk.compare(free, failed)
    for newest in ("0", "-1", "nobody"):
        with pytest.raises(ConflictError, match="of nobody:v9 cannot be compared"):
            await desk.compare(free, newest)
    with pytest.raises(NotFoundError, match="backtest run not found"):
        await desk.compare(free, "99999")
    with pytest.raises(NotFoundError, match="panel:v7 has none"):
        await desk.compare(free, "panel:v7")
    for wrong in ("--fast", ":v1", " "):
        with pytest.raises(InputError, match="a run must be an id"):
            await desk.compare(free, wrong)
    for few in ((), (free,), (free,) * 9):
        with pytest.raises(InputError, match="a comparison needs 2 to 8 runs"):
            await desk.compare(*few)


async def test_the_page_is_written_in_both_languages(desk: Desk) -> None:
    result = await desk.compare(*map(str, desk.ids[:3]))
    for lang, words in (("zh", "差异是否出于运气"), ("en", "Is the difference luck?")):
        page = await write_comparison(result, lang=lang, out=desk.folder / f"{lang}.html")
        assert words in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="lang must be one of"):
        await write_comparison(result, lang="xx", out=desk.folder / "no.html")


def test_the_command_line_compares(made: Made, engines: Engines, tmp_path: Path) -> None:
    environment = on_engines(engines, made.url, made.folder, MODEL_DIR=str(made.folder / "models"))

    def compare(*words: str) -> CompletedProcess[str]:
        return ms(environment, "backtest", "compare", *words)

    free, dear, short, failed = map(str, made.ids)
    page = tmp_path / "compare.html"
    done = compare(free, dear, short, "--json", "--out", str(page), "--lang", "zh")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["run_id"] for one in found["runs"]] == list(made.ids[:3])
    assert found["report"] == str(page)
    assert page.is_file()
    assert len(found["pairs"]) == 2
    again = json.loads(compare(free, dear, short, "--json").stdout)
    assert {**again, "report": None} == {**found, "report": None}
    table = compare(free, dear)
    assert f"run {dear} less run {free}" in table.stdout
    assert "replay.fee_bps" in table.stdout
    newest = compare(free, "-1")
    assert (newest.returncode, "cannot be compared" in newest.stderr) == (3, True)
    assert compare(free, failed).returncode == 3
    assert compare(free).returncode == 2
    assert compare(free, "--bogus").returncode == 2
