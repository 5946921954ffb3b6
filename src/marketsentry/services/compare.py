"""Compare stored runs: find them, read their accounts, measure, and write the page if one is wanted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marketsentry import __version__
from marketsentry.core.backtest.common_window import RunAccount
from marketsentry.core.backtest.compare import MAX_RUNS, ComparedRun, Comparison, compare_runs
from marketsentry.core.backtest.config_difference import comparable_config
from marketsentry.core.backtest.params import params_from
from marketsentry.core.backtest.stored import read_run
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import SYNTHETIC_SOURCE
from marketsentry.core.market.timestamps import parse_time_ns
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.ports import Artifacts, Stores, Transactions
from marketsentry.ports.runs import StoredRun
from marketsentry.reports.compare import ComparisonPage, render_comparison
from marketsentry.reports.facts import Lang
from marketsentry.services.report import member, write_page

NEWEST = ("0", "-1")


@dataclass(frozen=True, slots=True)
class StoredComparison:
    """A comparison with the rows of its runs, in one order."""

    runs: tuple[StoredRun, ...]
    comparison: Comparison

    @property
    def models(self) -> tuple[str, ...]:
        """NAME:VERSION of each run."""
        return tuple(_model_of(one) for one in self.runs)


async def compare_stored(
    references: Sequence[str], *, transactions: Transactions, artifacts: Artifacts, seed: int = 42
) -> StoredComparison:
    """Compare stored runs over the bars they share.

    Parameters
    ----------
    references
        Two to eight: an id, `0` or `-1` for the newest run, `MODEL` or `MODEL:VERSION` for the newest run of it.
        Replays of earlier runs are found by their id alone. The first is what the others are held against.
    transactions
        The record.
    artifacts
        Where the runs' arrays are.
    seed
        Of the resamples.

    Returns
    -------
    StoredComparison

    Raises
    ------
    InputError
        If a reference cannot be read, or there are too few or too many.
    NotFoundError
        If there is no such run, or its artifact is gone.
    ConflictError
        If a run failed, its artifact is not what was stored, or the runs share no bar.
    """
    if not 2 <= len(references) <= MAX_RUNS:
        raise InputError(f"a comparison needs 2 to {MAX_RUNS} runs, had {len(references)}")
    async with transactions() as stores:
        runs = tuple([await find_run(one, stores) for one in references])
    return await asyncio.to_thread(_compare, runs, artifacts, seed)


async def write_comparison(result: StoredComparison, *, lang: str, out: Path) -> Path:
    """Write the page of a comparison.

    Parameters
    ----------
    result
        What `compare_stored` gave.
    lang
        `zh` or `en`.
    out
        File to write; folders are made, an existing file is replaced whole.

    Returns
    -------
    Path
        The file, absolute.

    Raises
    ------
    InputError
        If `lang` is unknown.
    DependencyError
        If the file cannot be written.
    """
    language = member(Lang, "lang", lang)
    sources = {name for one in result.runs for name in one.run.config["sources"].values()}
    facts = ComparisonPage(result.comparison, result.models, SYNTHETIC_SOURCE in sources, __version__)
    html = await asyncio.to_thread(render_comparison, facts, lang=language)
    return await asyncio.to_thread(write_page, out, html)


async def find_run(reference: str, stores: Stores) -> StoredRun:
    """Find a run by what a person calls it; see `compare_stored`."""
    words = reference.strip()
    if words in NEWEST:
        return await stores.runs.newest()
    if words.isascii() and words.isdigit():
        return await stores.runs.get(int(words))
    name, _, version = words.partition(":")
    if not name or words.startswith("-"):
        raise InputError(
            f"a run must be an id, MODEL, MODEL:VERSION, or 0 or -1 for the newest, was {reference!r}"
        )
    return await stores.runs.newest(model_name=name, model_version=version or None)


def account_of(stored: StoredRun, artifacts: Artifacts) -> ComparedRun:
    """Read what a comparison needs of a run.

    Parameters
    ----------
    stored
        A completed run.
    artifacts
        Where its arrays are.

    Returns
    -------
    ComparedRun

    Raises
    ------
    ConflictError
        If the run failed, or its artifact is not what was stored.
    NotFoundError
        If its artifact is gone.
    """
    run = stored.run
    if run.status != "completed" or run.artifact_path is None or run.artifact_sha256 is None:
        raise ConflictError(
            f"run {stored.id} of {_model_of(stored)} cannot be compared: it {run.status} ({run.metrics['reason']})"
        )
    files = read_run(artifacts.get(run.artifact_path, run.artifact_sha256))
    account = RunAccount(
        name=f"run {stored.id}",
        symbols=tuple(files.document["symbols"]),
        interval=parse_interval(run.config["interval"]),
        params=params_from(run.config["replay"]),
        traded_from_ns=parse_time_ns(run.config["window"]["traded_from"]),
        ts_ns=files.ts_ns,
        equity=files.equity,
        weights=files.weights,
        fills=files.fills,
        trades=files.trades,
        funding=files.funding,
    )
    return ComparedRun(account, comparable_config(run.config, files.document["parts"]), run.metrics)


def _compare(runs: tuple[StoredRun, ...], artifacts: Artifacts, seed: int) -> StoredComparison:
    return StoredComparison(runs, compare_runs([account_of(one, artifacts) for one in runs], seed=seed))


def _model_of(stored: StoredRun) -> str:
    return f"{stored.run.metrics['model_name']}:{stored.run.metrics['model_version']}"
