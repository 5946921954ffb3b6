"""One LightGBM over all symbols: gradient-boosted trees on the gross forward return.

The panel model does not see which symbol a row belongs to; what sets symbols apart must be in the features
(ranks across symbols, volatility, volume). So it can serve a symbol it never saw, and one fit learns from
all of them. Missing features (NaN) are handled by the trees themselves.

LightGBM grows the trees; from then on the model is its text, which the compiled walk of `models.tree_walk` reads and
predicts with, bit for bit as LightGBM would.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import ConflictError, InputError
from marketsentry.models.protocol import Progress
from marketsentry.models.tree_text import TreeText, read_tree_text
from marketsentry.models.tree_walk import TreeWalk

MODEL_FILE = "model.txt"
BIN_SAMPLE_ROWS = (
    50_000  # places 255 bin edges well; LightGBM's 200,000 take twelve bytes a cell, a peak of their own
)
_THREADS = re.compile(r"\[num_threads: \d+\]")


@dataclass(frozen=True, slots=True)
class LightGBMParams:
    """Small, slow-learning, strongly randomised trees: forward returns are nearly all noise.

    Overlapping labels make neighbouring rows nearly one observation, so a leaf must hold a fair share of
    all rows; a looser fit predicts returns that are too large, and trades on them.

    `n_trees` trees of at most `n_leaves` leaves; `row_frac` and `feature_frac` are the shares drawn per
    tree; a leaf holds at least ``max(min_leaf_rows, n_rows * min_leaf_frac)`` rows, so that it grows with
    the panel.
    """

    n_trees: int = 150
    n_leaves: int = 15
    learning_rate: float = 0.02
    row_frac: float = 0.5
    feature_frac: float = 0.3
    min_leaf_rows: int = 20
    min_leaf_frac: float = 0.02
    l2: float = 1.0

    def __post_init__(self) -> None:
        if self.n_trees < 1:
            raise InputError(f"n_trees must be >= 1, was {self.n_trees}")
        if self.n_leaves < 2:
            raise InputError(f"n_leaves must be >= 2, was {self.n_leaves}")
        for name in ("row_frac", "feature_frac"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} must be in (0, 1], was {getattr(self, name)}")

    def native(self, n_rows: int, *, seed: int, n_threads: int) -> dict[str, Any]:
        """Spell the parameters LightGBM's way; everything that could make two runs differ is pinned."""
        return {
            "objective": "regression",
            "num_leaves": self.n_leaves,
            "learning_rate": self.learning_rate,
            "bagging_fraction": self.row_frac,
            "bagging_freq": 1 if self.row_frac < 1 else 0,
            "feature_fraction": self.feature_frac,
            "min_data_in_leaf": max(self.min_leaf_rows, int(n_rows * self.min_leaf_frac)),
            "lambda_l2": self.l2,
            "bin_construct_sample_cnt": BIN_SAMPLE_ROWS,
            "seed": seed,
            "num_threads": n_threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


class LightGBMPanel:
    """`Model` behind a LightGBM booster; keyword arguments are the fields of `LightGBMParams`."""

    name = "lightgbm_panel"
    accepts_missing = True

    def __init__(self, **params: Any) -> None:  # the fields of LightGBMParams, checked there
        try:
            self.params = LightGBMParams(**params)
        except TypeError as error:
            known = ", ".join(asdict(LightGBMParams()))
            raise InputError(
                f"parameters of {self.name} must be among {known}, were {', '.join(params)}"
            ) from error
        self._fit: _Fit | None = None

    def fit(
        self,
        X: NDArray[np.float64],
        y: NDArray[np.float64],
        *,
        seed: int,
        n_threads: int,
        on_progress: Progress,
    ) -> None:
        """Grow the trees; see `Model.fit`."""
        lgb = import_lightgbm()
        native = self.params.native(y.size, seed=seed, n_threads=n_threads)
        data = lgb.Dataset(X, label=y, params=native, free_raw_data=True)
        n_trees = self.params.n_trees

        def report(env: Any) -> None:  # LightGBM's own callback record
            on_progress(env.iteration + 1, n_trees)

        trained = lgb.train(native, data, num_boost_round=n_trees, callbacks=[report])
        alone = lgb.Booster(model_str=trained.model_to_string())  # the trees without the training data
        self._fit = _Fit.read(_THREADS.sub("[num_threads: 0]", alone.model_to_string()))

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum the trees; see `Model.predict`."""
        return self._fitted().walk.predict(X)

    def contributions(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the Shapley values of the trees (TreeSHAP, path-dependent); see `Explains.contributions`."""
        return self._fitted().walk.contributions(X)

    def feature_gain(self) -> NDArray[np.float64]:
        """Sum the gains of the splits by feature; see `TellsGain.feature_gain`."""
        return self._fitted().trees.feature_gain()

    def dump(self) -> dict[str, bytes]:
        """Give LightGBM's text format; the number of threads is the machine's affair and left out."""
        return {MODEL_FILE: self._fitted().text.encode()}

    @classmethod
    def parse(cls, files: Mapping[str, bytes]) -> Self:
        """Read LightGBM's text format."""
        if MODEL_FILE not in files:
            raise InputError(
                f"a {cls.name} artifact must hold {MODEL_FILE}, held {', '.join(sorted(files)) or 'nothing'}"
            )
        model = cls()
        try:
            model._fit = _Fit.read(files[MODEL_FILE].decode())
        except (InputError, UnicodeDecodeError) as error:
            raise InputError(f"{MODEL_FILE} must be a LightGBM text model: {error}") from error
        return model

    def _fitted(self) -> "_Fit":
        if self._fit is None:
            raise ConflictError(f"{self.name} must be fitted before it predicts or is dumped")
        return self._fit


def largest_fit_bytes(n_rows: int, n_features: int) -> int:
    """Bound what a fit takes beside its matrix: bins as they are, by row and drawn; the sample; some numbers a row."""
    return n_rows * (3 * n_features + 64) + 12 * n_features * min(n_rows, BIN_SAMPLE_ROWS)


def import_lightgbm() -> ModuleType:
    """Import LightGBM, with pandas and scipy in its train: seconds and 100 MiB that only a fit needs."""
    import lightgbm

    module: ModuleType = lightgbm
    return module


@dataclass(frozen=True, slots=True)
class _Fit:
    """A fitted model: its text, and what was read from it."""

    text: str
    trees: TreeText
    walk: TreeWalk

    @classmethod
    def read(cls, text: str) -> Self:
        trees = read_tree_text(text)
        return cls(text, trees, TreeWalk.of(trees))
