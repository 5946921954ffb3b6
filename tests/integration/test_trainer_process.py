"""Fitting in a real child process: what comes back, and that nothing comes back when it dies."""

import asyncio
import os
import signal
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from marketsentry.adapters.process_memory import MIB
from marketsentry.adapters.trainer_process import ProcessTrainer
from marketsentry.exceptions import DependencyError, InputError
from marketsentry.models.lightgbm_panel import LightGBMPanel
from marketsentry.models.protocol import ignore_progress
from marketsentry.ports.training import FitJob, FitProgress, FitSpan, ModelSpec

T, N, F = 400, 3, 6
SPANS = (FitSpan((slice(0, 190),), slice(200, 300)), FitSpan((slice(0, 290),), slice(300, 400)))


def make_job(model: ModelSpec | None = None, *, memory_limit_bytes: int = 4096 * MIB) -> FitJob:
    rng = np.random.default_rng(11)
    features = rng.normal(size=(T, N, F))
    features[rng.random(features.shape) < 0.05] = np.nan
    labels = 0.01 * (np.nan_to_num(features[:, :, 0]) + rng.normal(size=(T, N)))
    labels[-5:] = np.nan  # no outcome yet
    labels[100, 1] = np.nan
    present = np.ones((T, N), dtype=np.bool_)
    present[:50, 2] = False  # listed later
    present[220, 0] = False  # lost
    return FitJob(
        model=model or ModelSpec("lightgbm_panel", {"n_trees": 10}),
        features=features,
        labels=labels,
        present=present,
        spans=SPANS,
        seed=42,
        n_threads=1,
        memory_limit_bytes=memory_limit_bytes,
    )


def user_model(folder: Path, fit: str) -> ModelSpec:
    """Write a model whose `fit` has the given body."""
    source = f"""
import os, sys, time
import numpy as np
from types import SimpleNamespace

class UserModel:
    name = "user"
    accepts_missing = True
    def fit(self, X, y, *, seed, n_threads, on_progress):
{textwrap.indent(textwrap.dedent(fit), "        ")}
    def predict(self, X):
        return np.zeros(X.shape[0])
    def dump(self):
        return {{"user.txt": b"zero"}}
    @classmethod
    def parse(cls, files):
        return cls()
"""
    path = folder / "user_model.py"
    path.write_text(source)
    return ModelSpec(str(path))


def unwatched(progress: FitProgress) -> None:
    pass


@pytest.mark.parametrize("n_threads", [1, 2])
async def test_spans_come_back_as_fitted_here(tmp_path: Path, n_threads: int) -> None:
    job = replace(make_job(), n_threads=n_threads)
    seen: list[FitProgress] = []
    result = await ProcessTrainer(tmp_path).fit_spans(job, on_progress=seen.append)

    assert result.model_name == "lightgbm_panel"
    for span, fit in zip(job.spans, result.spans, strict=True):
        here = LightGBMPanel(n_trees=10)
        train = np.isfinite(job.labels[span.train[0]]) & job.present[span.train[0]]
        X, y = job.features[span.train[0]][train], job.labels[span.train[0]][train]
        here.fit(X, y, seed=42, n_threads=n_threads, on_progress=ignore_progress)
        assert fit.files == here.dump(), "the same bytes as a fit in this process"
        assert fit.n_train_rows == y.size
        expected = np.full((span.test.stop - span.test.start, N), np.nan)
        expected[job.present[span.test]] = here.predict(job.features[span.test][job.present[span.test]])
        np.testing.assert_array_equal(fit.predictions, expected)
    places = [(p.span, p.step) for p in seen]
    assert places == sorted(places), "what is told never goes back"
    assert {p.span for p in seen} <= {0, 1}
    assert n_threads > 1 or {(0, 10), (1, 10)} <= set(places)
    assert 50 * MIB < result.child_peak_bytes < 2048 * MIB
    assert result.peak_memory_bytes > result.child_peak_bytes / 2
    assert list(tmp_path.iterdir()) == [], "no scratch files stay"


async def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    trainer = ProcessTrainer(tmp_path)
    job = make_job()
    one = await trainer.fit_spans(job, on_progress=unwatched)
    two = await trainer.fit_spans(job, on_progress=unwatched)
    other = await trainer.fit_spans(replace(job, seed=43), on_progress=unwatched)
    assert [span.files for span in one.spans] == [span.files for span in two.spans]
    assert [span.files for span in one.spans] != [span.files for span in other.spans]


async def test_a_model_that_takes_no_missing_values_sees_none(tmp_path: Path) -> None:
    spec = user_model(tmp_path, "assert np.isfinite(X).all() and X.shape[0] == y.size\non_progress(1, 1)")
    path = Path(spec.reference)
    path.write_text(path.read_text().replace("accepts_missing = True", "accepts_missing = False"))
    job = make_job(spec)
    result = await ProcessTrainer(tmp_path / "scratch").fit_spans(job, on_progress=unwatched)
    complete = ~np.isnan(job.features[SPANS[0].test]).any(axis=2) & job.present[SPANS[0].test]
    np.testing.assert_array_equal(np.isfinite(result.spans[0].predictions), complete)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (
            "hog = [np.ones(1 << 26) for _ in range(64)]",
            r"out of memory in span 1 of 2: .* below 1024 MiB, was \d+ MiB",
        ),
        (
            "import mmap\nshared = mmap.mmap(-1, 3 << 30)\nwhile shared.write(bytes(1 << 20)): pass",
            r"out of memory in span 1 of 2: resident size must .* the limit of 1024 MiB .*, was \d+ MiB",
        ),
        ("raise ValueError('no such luck')", "the model raised in span 1 of 2: ValueError: no such luck"),
        ("X[0, 0] = 1.0", "read-only"),
    ],
)
async def test_a_failing_model_is_a_clear_error(tmp_path: Path, fit: str, message: str) -> None:
    job = make_job(user_model(tmp_path, fit), memory_limit_bytes=1024 * MIB)
    with pytest.raises(InputError, match=message):
        await ProcessTrainer(tmp_path / "scratch").fit_spans(job, on_progress=unwatched)
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        ("os.kill(os.getpid(), 9)", "died in span 1 of 2 by signal 9 .*limit 4096 MiB"),
        ("os.abort()", "by signal 6"),
        ("os._exit(7)", "by exit code 7"),
        ("os._exit(0)", "by exit code 0"),
    ],
)
async def test_a_crash_is_a_clear_error(tmp_path: Path, fit: str, message: str) -> None:
    with pytest.raises(DependencyError, match=message):
        await ProcessTrainer(tmp_path / "scratch").fit_spans(
            make_job(user_model(tmp_path, fit)), on_progress=unwatched
        )


async def test_a_fit_that_fails_ends_the_one_beside_it(tmp_path: Path) -> None:
    spec = ModelSpec("lightgbm_panel", {"n_trees": 1_000_000})
    job = replace(make_job(spec), n_threads=2)
    nobody = np.zeros((T, N), dtype=np.bool_)
    nobody[200:] = True  # the first span has no row to fit on, the second would take hours
    with pytest.raises(InputError, match="the model raised in span 1 of 2"):
        await ProcessTrainer(tmp_path).fit_spans(replace(job, present=nobody), on_progress=unwatched)


async def test_a_limit_below_the_empty_process_says_what_that_takes(tmp_path: Path) -> None:
    job = make_job(memory_limit_bytes=8 * MIB)
    with pytest.raises(
        InputError, match=r"must exceed the \d+ MiB that the empty training process takes, was 8 MiB"
    ):
        await ProcessTrainer(tmp_path).fit_spans(job, on_progress=unwatched)


async def test_predictions_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    spec = user_model(tmp_path, "on_progress(1, 1)")
    path = Path(spec.reference)
    path.write_text(path.read_text().replace("np.zeros(X.shape[0])", "np.full(X.shape[0], np.inf)"))
    with pytest.raises(InputError, match=r"user must predict finite numbers, \d+ of \d+ were not"):
        await ProcessTrainer(tmp_path / "scratch").fit_spans(make_job(spec), on_progress=unwatched)


async def test_printing_models_do_not_disturb_the_reports(tmp_path: Path) -> None:
    spec = user_model(tmp_path, "print('noise' * 100_000)\nos.write(1, b'more noise')\non_progress(1, 1)")
    result = await ProcessTrainer(tmp_path / "scratch").fit_spans(make_job(spec), on_progress=unwatched)
    assert result.spans[1].files == {"user.txt": b"zero"}


async def test_user_code_sees_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    spec = user_model(tmp_path, "raise ValueError('|'.join(sorted(os.environ)))")
    with pytest.raises(InputError) as raised:
        await ProcessTrainer(tmp_path / "scratch").fit_spans(make_job(spec), on_progress=unwatched)
    assert "PATH" in str(raised.value)
    assert "DATABASE_URL" not in str(raised.value)


async def test_cancelling_ends_the_child(tmp_path: Path) -> None:
    spec = user_model(tmp_path, "on_progress(0, 1)\nwhile True: time.sleep(0.01)")
    started = asyncio.Event()
    task = asyncio.create_task(
        ProcessTrainer(tmp_path / "scratch").fit_spans(make_job(spec), on_progress=lambda _: started.set())
    )
    await asyncio.wait_for(started.wait(), 30)
    children = [
        child for child in psutil.Process().children() if "marketsentry.roles.trainer" in child.cmdline()
    ]
    assert len(children) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(children[0].pid)


async def test_the_child_ends_with_a_killed_parent_and_cleans_up(tmp_path: Path) -> None:
    spec = user_model(tmp_path, "on_progress(0, 1)\nwhile True: time.sleep(0.01)")
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_trainer_process import ModelSpec, ProcessTrainer, make_job
job = make_job(ModelSpec({spec.reference!r}))
trainer = ProcessTrainer(Path({str(tmp_path / "scratch")!r}))
asyncio.run(trainer.fit_spans(job, on_progress=lambda _: print("started", flush=True)))
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    assert await asyncio.wait_for(parent.stdout.readline(), 60) == b"started\n"
    (child,) = psutil.Process(parent.pid).children()
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [child], 20)
    assert not alive
    assert list((tmp_path / "scratch").iterdir()) == []
