"""The kit must catch each broken promise: one bad model per check, and the example that keeps them all."""

import importlib.util
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from marketsentry.models.conformance import check_model
from marketsentry.models.protocol import Progress

Floats = NDArray[np.float64]
EXAMPLE = Path(__file__).parents[3] / "examples" / "model_example.py"


class MeanModel:
    """The smallest honest model: the mean of y plus a tenth of the first feature."""

    name = "mean"
    accepts_missing = True

    def __init__(self) -> None:
        self.mean = 0.0

    def fit(self, X: Floats, y: Floats, *, seed: int, n_threads: int, on_progress: Progress) -> None:
        self.mean = float(y.mean())
        on_progress(1, 1)

    def predict(self, X: Floats) -> Floats:
        return self.mean + 0.1 * np.where(np.isnan(X[:, 0]), 0.0, X[:, 0])

    def dump(self) -> dict[str, bytes]:
        return {"mean.json": json.dumps(self.mean).encode()}

    @classmethod
    def parse(cls, files: Mapping[str, bytes]) -> Self:
        model = cls()
        model.mean = json.loads(files["mean.json"])
        return model


class Undeclared(MeanModel):
    accepts_missing = None  # type: ignore[assignment]  # the broken promise


class Raises(MeanModel):
    def fit(self, X: Floats, y: Floats, **_: Any) -> None:
        raise ZeroDivisionError("no")


class WrongShape(MeanModel):
    def predict(self, X: Floats) -> Floats:
        return super().predict(X)[:, None]


class NotFinite(MeanModel):
    def predict(self, X: Floats) -> Floats:
        return np.where(X[:, 0] > 2, np.nan, super().predict(X))


class Mutates(MeanModel):
    def predict(self, X: Floats) -> Floats:
        if X.flags.writeable:
            X[0, 0] = 0.0
        return super().predict(X)


class Unseeded(MeanModel):
    def fit(self, X: Floats, y: Floats, *, seed: int, n_threads: int, on_progress: Progress) -> None:
        self.mean = float(np.random.default_rng().normal())
        on_progress(1, 1)


class LooksAtNeighbours(MeanModel):
    def predict(self, X: Floats) -> Floats:
        return np.cumsum(super().predict(X))


class MissingBreaksIt(MeanModel):
    def predict(self, X: Floats) -> Floats:
        return self.mean + X[:, 0]


class Pickles(MeanModel):
    def dump(self) -> dict[str, bytes]:
        return {"mean.json": json.dumps(self.mean).encode(), "all.bin": pickle.dumps(self.mean)}


class Forgets(MeanModel):
    def dump(self) -> dict[str, bytes]:
        return {"mean.json": json.dumps(round(self.mean, 3)).encode()}


class Silent(MeanModel):
    def fit(self, X: Floats, y: Floats, *, seed: int, n_threads: int, on_progress: Progress) -> None:
        self.mean = float(y.mean())


def failures(model: type[MeanModel]) -> dict[str, str]:
    return {check.name: check.detail for check in check_model(model).checks if not check.passed}


def test_an_honest_model_passes() -> None:
    assert failures(MeanModel) == {}


@pytest.mark.parametrize(
    ("model", "check", "detail"),
    [
        (Undeclared, "declares", "accepts_missing"),
        (Raises, "fits", "raised ZeroDivisionError: no"),
        (WrongShape, "shape", r"must have shape (600,), was (600, 1)"),
        (NotFinite, "finite", "must be finite"),
        (Mutates, "pure", "must not change their inputs"),
        (Unseeded, "deterministic", "same seed"),
        (LooksAtNeighbours, "row_order", "must not depend on where it stands"),
        (LooksAtNeighbours, "row_by_row", "a row alone"),
        (MissingBreaksIt, "missing", "accepts_missing is True"),
        (Pickles, "dump_is_data", "all.bin is a pickle"),
        (Forgets, "save_load", "bit for bit"),
        (Silent, "progress", "at least once"),
    ],
)
def test_each_broken_promise_is_named(model: type[MeanModel], check: str, detail: str) -> None:
    assert detail in failures(model)[check]


def test_the_example_model_keeps_every_promise() -> None:
    spec = importlib.util.spec_from_file_location("model_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert failures(module.RidgeModel) == {}


class Explained(MeanModel):
    """What it says of its predictions is true: the first feature, and the mean."""

    def contributions(self, X: Floats) -> Floats:
        parts = np.zeros((X.shape[0], X.shape[1] + 1))
        parts[:, 0] = self.predict(X) - self.mean
        parts[:, -1] = self.mean
        return parts


class Forgeries(Explained):
    def contributions(self, X: Floats) -> Floats:
        return super().contributions(X) * 1.001


class Baseless(Explained):
    def contributions(self, X: Floats) -> Floats:
        return super().contributions(X)[:, :-1]


def test_contributions_that_add_up_pass() -> None:
    assert failures(Explained) == {}


@pytest.mark.parametrize(
    ("model", "detail"), [(Forgeries, "must sum to the prediction"), (Baseless, "must have shape (600, 9)")]
)
def test_contributions_that_do_not_add_up_are_named(model: type[MeanModel], detail: str) -> None:
    assert detail in failures(model)["explains"]
