"""Write the report of a stored run: read the record and the artifact, render, write one HTML file."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TypeVar

from marketsentry import __version__
from marketsentry.core.backtest.stored import RunFiles, read_run
from marketsentry.exceptions import DependencyError, InputError
from marketsentry.ports import Artifacts, Transactions
from marketsentry.ports.models import RegisteredModel
from marketsentry.ports.runs import StoredRun
from marketsentry.reports.backtest import render_report
from marketsentry.reports.facts import Lang, Report, Scheme
from marketsentry.services.candidate import TrainingResult
from marketsentry.services.evidence import read_evidence
from marketsentry.services.report_facts import candidate_of_model, candidate_of_training, run_facts
from marketsentry.services.report_market import RunMarket, read_market

Choice = TypeVar("Choice", Lang, Scheme)


async def write_report(
    run_id: int | None,
    *,
    lang: str,
    out: Path,
    transactions: Transactions,
    artifacts: Artifacts,
    beside: Sequence[TrainingResult] = (),
    scheme: str | None = None,
) -> Path:
    """Write the report of a run as one self-contained HTML file.

    Parameters
    ----------
    run_id
        Which stored run; None for a report of the candidates in `beside` alone.
    lang
        `zh` or `en`.
    out
        File to write; folders are made, an existing file is replaced whole.
    transactions
        The record.
    artifacts
        Where the run's arrays are.
    beside
        Candidates judged beside the run's model, such as refused ones.
    scheme
        Colours of gain and loss, `us` or `cn`; None takes those of the language.

    Returns
    -------
    Path
        The file, absolute.

    Raises
    ------
    InputError
        If `lang` or `scheme` is unknown, or there is neither a run nor a candidate.
    NotFoundError
        If there is no such run, or its artifact is gone.
    ConflictError
        If the artifact's content is not what was stored.
    DependencyError
        If the file cannot be written.
    """
    language = member(Lang, "lang", lang)
    colours = None if scheme is None else member(Scheme, "scheme", scheme)
    if run_id is None and not beside:
        raise InputError("a report needs a run or at least one candidate, had neither")
    stored, model = await _read(run_id, transactions) if run_id is not None else (None, None)
    files = await asyncio.to_thread(_read_files, stored, artifacts)
    market = await _read_market(stored, files, transactions)
    evidence = await asyncio.to_thread(read_evidence, model.model, artifacts) if model else None
    report = Report(
        version=__version__,
        run=await asyncio.to_thread(run_facts, stored, files, model, market) if stored else None,
        candidate=candidate_of_model(model.model) if model else None,
        others=tuple(candidate_of_training(one) for one in beside),
        evidence=evidence.pack if evidence is not None else None,
    )
    html = await asyncio.to_thread(render_report, report, lang=language, scheme=colours)
    return await asyncio.to_thread(write_page, out, html)


async def _read(run_id: int, transactions: Transactions) -> tuple[StoredRun, RegisteredModel | None]:
    async with transactions() as stores:
        stored = await stores.runs.get(run_id)
        if stored.run.model_id is None:
            return stored, None
        name, version = stored.run.metrics["model_name"], stored.run.metrics["model_version"]
        return stored, await stores.models.get(name, version, track=stored.run.track)


async def _read_market(
    stored: StoredRun | None, files: RunFiles | None, transactions: Transactions
) -> RunMarket | None:
    if stored is None or files is None:
        return None
    async with transactions() as stores:
        return await read_market(stores, stored, files)


def _read_files(stored: StoredRun | None, artifacts: Artifacts) -> RunFiles | None:
    if stored is None or stored.run.artifact_path is None or stored.run.artifact_sha256 is None:
        return None
    return read_run(artifacts.get(stored.run.artifact_path, stored.run.artifact_sha256))


def member(choices: type[Choice], name: str, value: str) -> Choice:
    """Read one word of a closed set; raises `InputError` with the set for another."""
    try:
        return choices(value)
    except ValueError:
        raise InputError(f"{name} must be one of {', '.join(choices)}, was {value!r}") from None


def write_page(out: Path, html: str) -> Path:
    """Write beside the target and move into place, so that nobody reads half a report."""
    out = out.expanduser().absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", encoding="utf-8", dir=out.parent, suffix=".part", delete=False) as draft:
            draft.write(html)
        os.chmod(draft.name, 0o644)
        os.replace(draft.name, out)
    except OSError as exc:
        raise DependencyError(f"the report {out} could not be written: {exc.strerror or exc}") from exc
    return out
