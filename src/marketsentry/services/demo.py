"""The main job in one go: market, quality gate, features, two candidates, backtest, report.

One candidate is sound; the other reads features that peek into the future and must be refused with the reason.
Every step is the service that its own command calls, so what the demo shows is what the product does; and every
step takes up what is there, so a second run is short.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.dataset import Dataset
from marketsentry.core.lineage import code_version_with
from marketsentry.core.market.interval import Interval, parse_interval
from marketsentry.core.market.records import SeriesInfo
from marketsentry.exceptions import DataQualityError, InputError, NotFoundError
from marketsentry.ports.files import MarketFiles
from marketsentry.ports.runs import StoredRun
from marketsentry.services.backtest import BacktestDefaults, run_backtest
from marketsentry.services.candidate import CandidateRequest, TrainingResult
from marketsentry.services.datasets import DatasetRequest, build_dataset
from marketsentry.services.imports import import_files
from marketsentry.services.plugins import BUILTIN_FEATURES, load_feature_set, plugin_code_hash
from marketsentry.services.quality import AuditRequest, audit_stored
from marketsentry.services.report import write_report
from marketsentry.services.synth import SynthRequest, synthesise
from marketsentry.services.train_stored import TrainingParts, describe_progress
from marketsentry.services.training import train_candidate

TRACK = "liquid"
HORIZON = "1h"
SOUND, PEEKING = "demo_sound", "demo_peeking"
SYNTHETIC_BAR = "15m"
SYNTHETIC_SYMBOLS = ("BTC", "ETH", "SOL")
SIGNAL_STRENGTH = 1.2  # half a year of 1.0 hardly tells it from luck; at 1.4 the ratio is hardly believed
MAX_SYMBOLS = 12
DAY_NS = 86_400_000_000_000
LOOKBACK_DAYS = (60, 730)
TRAIN_DAYS, TEST_DAYS = 35, 14


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """Which market to run on.

    `data` None makes a synthetic market of `symbols`, `days` long, from `seed`. Else the bars under that folder are
    imported, and `symbols` and `interval` choose among them: by default the bar length that most symbols have and
    the first twelve of its symbols.
    """

    symbols: tuple[str, ...] = ()
    interval: Interval | None = None
    days: int = 180
    seed: int = 7
    data: Path | None = None
    lang: str = "en"

    def __post_init__(self) -> None:
        if self.days < LOOKBACK_DAYS[0]:
            raise InputError(f"days must be >= {LOOKBACK_DAYS[0]}, was {self.days}")


@dataclass(frozen=True, slots=True)
class DemoParts:
    """What the main job runs with: all that a training needs, and the rest; `peeking_features` is a Python file."""

    training: TrainingParts
    market_files: MarketFiles
    defaults: BacktestDefaults
    reports_dir: Path
    peeking_features: Path


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One step that is done: what it made, in words, and how long it took."""

    name: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DemoCandidate:
    """What became of one candidate."""

    name: str
    version: str
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The outcome of the main job; `content_hash` is that of the backtest run."""

    seconds: float
    steps: tuple[DemoStep, ...]
    candidates: tuple[DemoCandidate, ...]
    report: Path
    run_id: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class StepWatch:
    """Whom to tell: `started` a step's name, `progress` its share done 0..1, `done` what it made."""

    started: Callable[[str], None]
    progress: Callable[[str, float], None]
    done: Callable[[DemoStep], None]


@dataclass(slots=True)
class _Note:
    text: str = ""


@dataclass(slots=True)
class _Steps:
    watch: StepWatch
    taken: list[DemoStep] = field(default_factory=list)

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[_Note]:
        note, started = _Note(), time.perf_counter()
        self.watch.started(name)
        yield note
        step = DemoStep(name, round(time.perf_counter() - started, 3), note.text)
        self.taken.append(step)
        self.watch.done(step)


async def run_demo(request: DemoRequest, parts: DemoParts, watch: StepWatch) -> DemoResult:
    """Run the main job.

    Parameters
    ----------
    request : DemoRequest
        Which market to run on.
    parts : DemoParts
        What it runs with.
    watch : StepWatch
        Told of every step.

    Returns
    -------
    DemoResult
        Steps with their times, both candidates with their verdicts, the report.

    Raises
    ------
    DataQualityError
        If no symbol passes the quality gate.
    NotFoundError
        If the folder holds no bars of the wanted kind.
    """
    steps, started = _Steps(watch), time.perf_counter()
    async with steps.step("market") as note:
        series = await _make_market(request, parts, note)
    async with steps.step("quality gate") as note:
        series = await _pass_gate(series, parts, note)
    trained = []
    for name in (SOUND, PEEKING):
        async with steps.step(f"features {_short(name)}") as note:
            dataset, reference = await _build(name, series, parts, steps, note)
        async with steps.step(f"train {_short(name)}") as note:
            trained.append(await _train(name, dataset, reference, parts, steps, note))
    async with steps.step("backtest") as note:
        run = await _backtest(trained[0], series, parts, note)
    async with steps.step("report") as note:
        report = await write_report(
            run.id,
            lang=request.lang,
            out=parts.reports_dir / f"demo-{request.lang}.html",
            transactions=parts.training.transactions,
            artifacts=parts.training.artifacts,
            beside=trained[1:],
        )
        note.text = report.name
    return DemoResult(
        seconds=round(time.perf_counter() - started, 3),
        steps=tuple(steps.taken),
        candidates=tuple(_outcome(one) for one in trained),
        report=report,
        run_id=run.id,
        content_hash=run.run.content_hash or "",
    )


async def _make_market(request: DemoRequest, parts: DemoParts, note: _Note) -> list[SeriesInfo]:
    if request.data is not None:
        return await _import_market(request, request.data, parts, note)
    interval = request.interval or parse_interval(SYNTHETIC_BAR)
    symbols = request.symbols or SYNTHETIC_SYMBOLS
    wanted = SynthRequest(
        seed=request.seed,
        symbols=symbols,
        interval=interval,
        n_bars=int(request.days * interval.bars_per_day),
        signal_strength=SIGNAL_STRENGTH,
    )
    made = await synthesise(wanted, transactions=parts.training.transactions, clock=parts.training.clock)
    series = await _stored_series(parts, symbols, interval)
    note.text = f"{sum(s.n_bars for s in series):,} synthetic {interval} bars of {', '.join(symbols)}"
    if all(one.n_bars == 0 for one in made.series):
        note.text += " (already there)"
    return series


async def _import_market(
    request: DemoRequest, folder: Path, parts: DemoParts, note: _Note
) -> list[SeriesInfo]:
    report = await import_files(
        [folder],
        files=parts.market_files,
        transactions=parts.training.transactions,
        clock=parts.training.clock,
    )
    stored = await _stored_series(parts, request.symbols, request.interval)
    recorded = [one for one in stored if (one.symbol, str(one.interval)) in report.series]
    if not recorded:
        why = "; ".join(str(file.error) for file in report.failed[:3])
        raise NotFoundError(
            f"no bars to run on in {folder}: {why or 'it holds none of the wanted symbols and bar length'}; "
            "see `ms data import --help` for the layouts"
        )
    interval = request.interval or _commonest(recorded)
    series = [one for one in recorded if one.interval == interval][:MAX_SYMBOLS]
    n_bars = sum(one.n_bars for one in series)
    note.text = f"{report.rows:,} rows imported; {n_bars:,} {interval} bars of {len(series)} symbols"
    return series


def _commonest(series: Sequence[SeriesInfo]) -> Interval:
    """Find the bar length that most symbols have; of equals the longer, which is the quicker."""
    intervals = {one.interval for one in series}
    return max(intervals, key=lambda each: (sum(one.interval == each for one in series), each.ns))


async def _stored_series(
    parts: DemoParts, symbols: Sequence[str], interval: Interval | None
) -> list[SeriesInfo]:
    async with parts.training.transactions() as stores:
        series = await stores.bars.all_series()
    return [
        one
        for one in series
        if (not symbols or one.symbol in symbols) and (interval is None or one.interval == interval)
    ]


async def _pass_gate(series: list[SeriesInfo], parts: DemoParts, note: _Note) -> list[SeriesInfo]:
    request = AuditRequest(symbols=tuple(one.symbol for one in series), interval=series[0].interval)
    audits = await audit_stored(
        request, transactions=parts.training.transactions, limits=parts.training.quality_limits
    )
    passed = {audit.symbol for audit in audits if audit.verdict.passed}
    blocked = {audit.symbol: ", ".join(audit.verdict.reasons) for audit in audits if not audit.verdict.passed}
    if not passed:
        raise DataQualityError(f"no symbol passes the quality gate: {blocked}")
    note.text = f"{len(passed)} of {len(audits)} series pass"
    if blocked:
        note.text += "; left out: " + ", ".join(f"{symbol} ({why})" for symbol, why in blocked.items())
    return [one for one in series if one.symbol in passed]


def _short(name: str) -> str:
    return name.removeprefix("demo_")


async def _build(
    name: str, series: Sequence[SeriesInfo], parts: DemoParts, steps: _Steps, note: _Note
) -> tuple[Dataset, str]:
    reference = BUILTIN_FEATURES if name == SOUND else str(parts.peeking_features)
    request = DatasetRequest(
        symbols=tuple(one.symbol for one in series),
        interval=series[0].interval,
        with_snapshots=name == SOUND,
    )
    dataset = await build_dataset(
        request,
        feature_set=load_feature_set(reference),
        code_version=code_version_with(parts.training.code_version, plugin_code_hash(reference)),
        transactions=parts.training.transactions,
        files=parts.training.dataset_files,
        clock=parts.training.clock,
        limits=parts.training.quality_limits,
        on_progress=steps.watch.progress,
    )
    n_bars, n_symbols, n_features = dataset.features.values.shape
    note.text = f"{n_features} features x {n_bars * n_symbols:,} bars"
    return dataset, reference


async def _train(
    name: str, dataset: Dataset, reference: str, parts: DemoParts, steps: _Steps, note: _Note
) -> TrainingResult:
    request = CandidateRequest(
        name=name,
        version=f"v1-{dataset.content_hash[:8]}",
        horizon=HORIZON,
        features=reference,
    )
    result = await train_candidate(
        dataset,
        request,
        feature_set=load_feature_set(reference),
        trainer=parts.training.trainer,
        transactions=parts.training.transactions,
        artifacts=parts.training.artifacts,
        clock=parts.training.clock,
        on_progress=lambda progress: steps.watch.progress(*describe_progress(progress)),
    )
    outcome = _outcome(result)
    note.text = f"verdict: {outcome.verdict}"
    if outcome.reasons:
        note.text += f" ({outcome.reasons[0]})"
    return result


def _outcome(result: TrainingResult) -> DemoCandidate:
    if result.verdict is None:
        return DemoCandidate(result.name, result.version, result.status, ())
    return DemoCandidate(result.name, result.version, str(result.verdict.outcome), result.verdict.reasons)


async def _backtest(
    result: TrainingResult, series: Sequence[SeriesInfo], parts: DemoParts, note: _Note
) -> StoredRun:
    days = min(int((one.last_ns - one.first_ns) // DAY_NS) for one in series)
    request = BacktestRequest(
        track=TRACK,
        targets=tuple(one.symbol for one in series),
        model_name=result.name,
        model_version=result.version,
        lookback_days=max(LOOKBACK_DAYS[0], min(days, LOOKBACK_DAYS[1])),
        train_days=TRAIN_DAYS,
        test_days=TEST_DAYS,
    )
    run = await run_backtest(
        request,
        transactions=parts.training.transactions,
        artifacts=parts.training.artifacts,
        clock=parts.training.clock,
        defaults=parts.defaults,
        code_version=parts.training.code_version,
    )
    metrics = run.run.metrics
    if run.run.status != "completed":
        raise DataQualityError(f"the backtest could not be made: {metrics.get('reason')}")
    note.text = (
        f"run {run.id}: {metrics['pnl_after_cost']:+.2%} after cost, drawdown {metrics['max_drawdown']:.2%}, "
        f"IC {metrics['ic']:.3f}"
    )
    return run
