"""Fit models in a bounded child process: the `Trainer` port.

The child gets a folder of plain arrays and a clean environment (no settings, no secrets). It reports
progress on a pipe. It cannot outlive this process, and this process does not survive on half a result:
either every span came back, or an error says why none did.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from marketsentry.adapters.process_memory import MIB, peak_resident_bytes, resident_bytes
from marketsentry.adapters.trainer_files import read_span, write_job
from marketsentry.core.training.rows import RowSet
from marketsentry.exceptions import DependencyError, InputError
from marketsentry.ports.training import FitJob, FitProgress, FitResult, SpanFit

CHILD_MODULE = "marketsentry.roles.trainer"
SAMPLE_EVERY_S = 0.1
STDERR_KEPT_BYTES = 8_192
LIBRARY_BYTES = 512 * MIB
KEPT_VARIABLES = frozenset({"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})
KEPT_PREFIXES = ("PYTHON", "NUMBA_", "OMP_", "OPENBLAS_")

OnProgress = Callable[[FitProgress], None]


@dataclass(slots=True)
class _Ended:
    """What the child said and how it ended."""

    returncode: int = 0
    model: dict[str, Any] = field(default_factory=dict)
    spans: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, Any] | None = None
    done: dict[str, Any] | None = None
    stderr: bytes = b""
    peak_bytes: int = 0
    child_peak_bytes: int = 0
    over_limit_bytes: int = 0


class ProcessTrainer:
    """`Trainer` that fits in a child process.

    Parameters
    ----------
    scratch_dir
        Where a job's arrays lie while it runs: as much disk as the feature matrix. Created if absent.
    """

    def __init__(self, scratch_dir: Path) -> None:
        self._scratch_dir = scratch_dir

    async def fit_spans(self, job: FitJob, *, on_progress: OnProgress) -> FitResult:
        """Fit every span of a job; see `Trainer.fit_spans`."""
        started = time.perf_counter()
        self._scratch_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="train-", dir=self._scratch_dir) as name:
            folder = Path(name)
            rows, ended = await _run_child(folder, job, on_progress)
            _raise_unless_done(ended, job)
            spans = await asyncio.to_thread(_read_spans, folder, job, rows, ended)
        assert ended.done is not None
        return FitResult(
            model_name=str(ended.model["name"]),
            spans=spans,
            wall_s=time.perf_counter() - started,
            child_peak_bytes=int(ended.done["peak_bytes"]),
            peak_memory_bytes=max(ended.peak_bytes, peak_resident_bytes()),
        )


def _read_spans(folder: Path, job: FitJob, rows: RowSet, ended: _Ended) -> tuple[SpanFit, ...]:
    spans = []
    for index, facts in enumerate(sorted(ended.spans, key=itemgetter("span"))):
        files, arrays, predictions = read_span(folder, index, job, rows)
        measured = {name: facts[name] for name in ("n_train_rows", "train_mse", "fit_s", "predict_s")}
        spans.append(
            SpanFit(files, predictions, **measured, permutation=arrays.permutation, gain=arrays.gain)
        )
    return tuple(spans)


async def _run_child(folder: Path, job: FitJob, on_progress: OnProgress) -> tuple[RowSet, _Ended]:
    """Run the child to its end, whatever that is; kill it if this task is cancelled.

    It loads its libraries while the job is written for it.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        CHILD_MODULE,
        str(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_clean_environment(),
    )
    ended = _Ended()
    try:
        rows = await asyncio.to_thread(write_job, folder, job)
        _say_that_the_job_is_written(child)
        async with asyncio.TaskGroup() as group:
            group.create_task(_read_reports(child, ended, on_progress))
            group.create_task(_read_stderr(child, ended))
            watcher = group.create_task(_watch_memory(child, ended, _resident_limit(folder, job)))
            ended.returncode = await child.wait()
            watcher.cancel()
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        if child.stdin is not None:
            child.stdin.close()
    return rows, ended


def _say_that_the_job_is_written(child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    child.stdin.write(b"\n")


async def _read_reports(child: asyncio.subprocess.Process, ended: _Ended, on_progress: OnProgress) -> None:
    assert child.stdout is not None
    async for line in child.stdout:
        event = json.loads(line)
        match event.pop("event"):
            case "step":
                on_progress(FitProgress(**event))
            case "model":
                ended.model = event
            case "span":
                ended.spans.append(event)
            case "failed":
                ended.failed = event
            case "done":
                ended.done = event


async def _read_stderr(child: asyncio.subprocess.Process, ended: _Ended) -> None:
    """Keep the end of what the child wrote; a model that prints for ever takes no memory here."""
    assert child.stderr is not None
    while chunk := await child.stderr.read(65_536):
        ended.stderr = (ended.stderr + chunk)[-STDERR_KEPT_BYTES:]


async def _watch_memory(child: asyncio.subprocess.Process, ended: _Ended, limit_bytes: int) -> None:
    """Sample both processes; end the child where the system did not hold it to its limit."""
    while True:
        child_bytes = resident_bytes(child.pid)
        ended.child_peak_bytes = max(ended.child_peak_bytes, child_bytes)
        ended.peak_bytes = max(ended.peak_bytes, child_bytes + resident_bytes(os.getpid()))
        if child_bytes > limit_bytes:
            ended.over_limit_bytes = child_bytes
            with suppress(ProcessLookupError):
                child.kill()
            return
        await asyncio.sleep(SAMPLE_EVERY_S)


def _resident_limit(folder: Path, job: FitJob) -> int:
    """Give the private limit plus all that the child may map: its arrays and its libraries."""
    mapped = sum(path.stat().st_size for path in folder.glob("*.npy"))
    return job.memory_limit_bytes + mapped + LIBRARY_BYTES


def _raise_unless_done(ended: _Ended, job: FitJob) -> None:
    if ended.returncode == 0 and ended.done is not None and len(ended.spans) == len(job.spans):
        return
    where = f"span {len(ended.spans) + 1} of {len(job.spans)}"
    limit = job.memory_limit_bytes // MIB
    last_words = ended.stderr.decode(errors="replace").strip()
    if ended.over_limit_bytes:
        raise InputError(
            f"training ran out of memory in {where}: resident size must stay below the limit of {limit} MiB "
            f"plus mapped files, was {ended.over_limit_bytes // MIB} MiB"
        )
    if ended.failed is not None and ended.failed["kind"] == "memory":
        raise InputError(
            f"training ran out of memory in {where}: private memory must stay below {limit} MiB, "
            f"was {ended.failed['used_bytes'] // MIB} MiB when allocation failed: {ended.failed['message']}"
        )
    if ended.failed is not None and ended.failed["kind"] == "input":
        raise InputError(f"training failed in {where}: {ended.failed['message']}")
    if ended.failed is not None:
        raise InputError(f"the model raised in {where}: {ended.failed['message']}\n{last_words}")
    if "bad_alloc" in last_words:
        raise InputError(
            f"training ran out of memory in {where}: private memory must stay below {limit} MiB, "
            f"was {ended.child_peak_bytes // MIB} MiB resident before an allocation failed"
        )
    how = f"signal {-ended.returncode}" if ended.returncode < 0 else f"exit code {ended.returncode}"
    raise DependencyError(
        f"the training process died in {where} by {how} at {ended.child_peak_bytes // MIB} MiB resident "
        f"(limit {limit} MiB){': ' + last_words if last_words else ''}"
    )


def _clean_environment() -> dict[str, str]:
    """Keep what Python needs to start; user code gets no settings and no secrets.

    Threads of OpenMP that wait for one another by spinning cost a fit several times its length as soon as the
    machine has anything else to do, and gain nothing when it has not; so they wait asleep unless told otherwise.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)
    }
    return {"OMP_WAIT_POLICY": "PASSIVE"} | kept
