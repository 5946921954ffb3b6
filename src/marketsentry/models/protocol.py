"""What a model is here: `fit` and `predict` on arrays, dumped as data; built-in models have no other door."""

from collections.abc import Callable, Mapping
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all); a step is a tree, an epoch, whatever the model counts."""


class Model(Protocol):
    """A regression of the gross forward return on one row of features.

    A row is one symbol at one bar; rows of one fit come oldest first, all symbols of a bar together. The
    model is built without arguments, or with keyword arguments that all have defaults. It sees read-only
    arrays and must not keep them. It runs in a child process and touches neither files nor the network.

    Attributes
    ----------
    name : str
        What kind of model this is, e.g. `lightgbm_panel`.
    accepts_missing : bool
        Whether NaN may stand in `X`. If not, rows with a NaN are kept from `fit`, and get no prediction.
    """

    name: str
    accepts_missing: bool

    def fit(
        self,
        X: NDArray[np.float64],
        y: NDArray[np.float64],
        *,
        seed: int,
        n_threads: int,
        on_progress: Progress,
    ) -> None:
        """Learn `y` (n,), finite, from `X` (n, F); the same arguments give the same model, bit for bit."""
        ...

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the expected gross forward return, (n,) finite, of rows `X` (n, F), each by itself."""
        ...

    def dump(self) -> dict[str, bytes]:
        """Write the fitted model as named files of data (text, JSON, raw arrays), never code or pickles."""
        ...

    @classmethod
    def parse(cls, files: Mapping[str, bytes]) -> Self:
        """Read back what `dump` wrote; its predictions must be equal bit for bit."""
        ...


@runtime_checkable
class TellsGain(Protocol):
    """A model that can say what its features did for the fit; optional."""

    def feature_gain(self) -> NDArray[np.float64]:
        """Give the loss that each feature saved, (F,), >= 0, in any unit."""
        ...


@runtime_checkable
class Explains(Protocol):
    """A model that can say what each feature did for each prediction; optional."""

    def contributions(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give what each feature adds to the prediction of rows `X` (n, F), (n, F + 1); the last column is the base.

        Finite; every row adds up to the prediction of that row, to rounding.
        """
        ...


def ignore_progress(done: int, total: int) -> None:
    """Stand in where nobody watches."""
