"""The compiled kernels themselves: no index leaves its array, and an edit anywhere compiles anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import marketsentry

PACKAGE = Path(marketsentry.__file__).parent
RUN_ALL = """
import numpy as np
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.labels.triple_barrier import triple_barrier
from marketsentry.kernels.volatility import volatility_path
rng = np.random.default_rng(0)
T, N = 700, 3
close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (T, N)), axis=0))
bars = np.stack([close, close * 1.01, close * 0.99, close, close], axis=2)
bars[300, 1] = np.nan
ts_ns = np.arange(T, dtype=np.int64) * 300_000_000_000 - 10**15
context = np.zeros((T, N, 18))
out = np.empty((T, N, len(BUILTIN.schema.features)))
BUILTIN.batch(BUILTIN.new_state(N), bars, ts_ns, context, out)
row = np.empty(out.shape[1:])
BUILTIN.step(BUILTIN.new_state(N), bars[0], int(ts_ns[0]), context[0], row)
volatility = np.empty((T, N))
volatility_path(close, 0.1, 5.0, volatility)
assert np.isfinite(volatility).all()
triple_barrier(close, close, close, horizon_bars=9, upper_frac=0.01, lower_frac=0.01)
assert np.isfinite(out[-1]).all(), out[-1]
from marketsentry.models.lightgbm_panel import LightGBMPanel
from marketsentry.models.protocol import ignore_progress
X = np.where(rng.random((200, 4)) < 0.2, np.nan, rng.normal(size=(200, 4)))
model = LightGBMPanel(n_trees=11)
model.fit(X, np.nan_to_num(X[:, 0]), seed=0, n_threads=1, on_progress=ignore_progress)
for n in (0, 1, 7, 33, 200):
    assert np.allclose(model.contributions(X[:n]).sum(axis=1), model.predict(X[:n]), atol=1e-12)
print("done")
"""


@pytest.mark.slow
def test_no_index_leaves_its_array(tmp_path: Path):
    env = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        (sys.executable, "-c", RUN_ALL), env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
    assert list(tmp_path.glob("kernels-*/**/*.nbi")), "the cache was not where it should be"


def test_an_edit_of_any_kernel_moves_the_cache(tmp_path: Path):
    """numba alone would go on with the machine code of the file that calls the edited one."""
    package = tmp_path / "marketsentry"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copytree(PACKAGE / "kernels", package / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    ask = "import marketsentry.kernels, numba; print(numba.config.CACHE_DIR)"

    def cache_dir() -> str:
        env = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run(
            (sys.executable, "-c", ask), env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    before = cache_dir()
    assert before.startswith(str(tmp_path / "cache" / "kernels-"))
    assert cache_dir() == before
    with (package / "kernels" / "features" / "windows.py").open("a") as file:
        file.write("\n# edited\n")
    assert cache_dir() != before
