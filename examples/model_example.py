"""A model of your own: ridge regression in numpy, dumped as data.

Check it, then send it through the same training, gate and backtest as the built-in one:

    ms check model examples/model_example.py
    ms train --symbols BTC,ETH,SOL --interval 1h --horizon 4h --model examples/model_example.py \
        --name my_ridge --version v1
"""

import json

import numpy as np


class RidgeModel:
    """Linear regression with an L2 penalty on standardised features; a missing feature counts as average.

    Means, deviations and weights are all fitted on the rows given to `fit`, so nothing crosses a fold.
    """

    name = "example_ridge"
    accepts_missing = True

    def __init__(self, penalty: float = 1e-3, clip: float = 5.0) -> None:
        self.penalty = penalty  # relative to the number of rows
        self.clip = clip  # standard deviations at which a feature stops to count more
        self.mean = np.empty(0)
        self.scale = np.empty(0)
        self.weights = np.empty(0)
        self.intercept = 0.0

    def fit(self, X, y, *, seed, n_threads, on_progress):  # closed form: no seed, no threads
        """Solve the normal equations block by block, so that memory does not grow with the rows."""
        blocks = [slice(start, start + 65_536) for start in range(0, y.size, 65_536)]
        self._fit_scale(X, blocks)
        self.intercept = float(y.mean())
        gram = np.zeros((X.shape[1], X.shape[1]))
        moment = np.zeros(X.shape[1])
        for i, rows in enumerate(blocks, start=1):
            Z = self._standardise(X[rows])
            gram += Z.T @ Z
            moment += Z.T @ (y[rows] - self.intercept)
            on_progress(i, len(blocks))
        gram[np.diag_indices_from(gram)] += self.penalty * y.size
        self.weights = np.linalg.solve(gram, moment)

    def predict(self, X):
        """Give the expected return of each row."""
        # A plain sum per row: a matrix product may round differently for one row than for many.
        return (self._standardise(X) * self.weights).sum(axis=1) + self.intercept

    def dump(self):
        """Write four numbers and lists as JSON; Python prints floats so that they read back equal."""
        state = {
            "penalty": self.penalty,
            "clip": self.clip,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "weights": self.weights.tolist(),
            "intercept": self.intercept,
        }
        return {"ridge.json": json.dumps(state).encode()}

    @classmethod
    def parse(cls, files):
        """Read back what `dump` wrote."""
        state = json.loads(files["ridge.json"])
        model = cls(state["penalty"], state["clip"])
        for name in ("mean", "scale", "weights"):
            setattr(model, name, np.array(state[name]))
        model.intercept = state["intercept"]
        return model

    def _fit_scale(self, X, blocks):
        """Learn mean and deviation of each feature, missing values left out."""
        count = np.maximum(sum(np.isfinite(X[rows]).sum(axis=0) for rows in blocks), 1)
        self.mean = sum(np.nansum(X[rows], axis=0) for rows in blocks) / count
        self.scale = np.sqrt(sum(np.nansum((X[rows] - self.mean) ** 2, axis=0) for rows in blocks) / count)

    def _standardise(self, X):
        scale = np.where(self.scale > 0, self.scale, 1.0)
        Z = (X - self.mean) / scale
        return np.where(np.isfinite(Z), np.clip(Z, -self.clip, self.clip), 0.0)
