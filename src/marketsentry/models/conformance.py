"""The conformance kit for models: what the trainer and the server rely on, tried on a small seeded problem.

Each promise of `models.protocol.Model` is one named check (`core.conformance`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.conformance import ConformanceReport, attempt, require, same_bits
from marketsentry.models.protocol import Explains, Model, ignore_progress

SEED = 7
N_THREADS = 1
ADDS_UP_WITHIN = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Problem:
    """A seeded regression: `X` (n, F) complete, `holed` the same with a tenth of it NaN, `y` (n,)."""

    X: Floats
    holed: Floats
    y: Floats


def check_model(
    new_model: Callable[[], Model], *, n_rows: int = 600, n_features: int = 8
) -> ConformanceReport:
    """Try every promise of the `Model` protocol on a model.

    Parameters
    ----------
    new_model
        Gives a fresh, unfitted model; usually the class itself.
    n_rows
        Rows of the problem.
    n_features
        Columns of the problem.

    Returns
    -------
    ConformanceReport
        Checks `declares`, `fits`, `shape`, `finite`, `pure`, `deterministic`, `row_order`, `row_by_row`,
        `missing`,
        `dump_is_data`, `save_load`, `progress`, `explains`.
    """
    problem = _make_problem(n_rows, n_features)
    checks = [attempt("declares", lambda: _declares(new_model))]
    if checks[0].passed:
        rest: tuple[tuple[str, Callable[[], str]], ...] = (
            ("fits", lambda: _fits(new_model, problem)),
            ("shape", lambda: _shape(new_model, problem)),
            ("finite", lambda: _finite(new_model, problem)),
            ("pure", lambda: _pure(new_model, problem)),
            ("deterministic", lambda: _deterministic(new_model, problem)),
            ("row_order", lambda: _row_order(new_model, problem)),
            ("row_by_row", lambda: _row_by_row(new_model, problem)),
            ("missing", lambda: _missing(new_model, problem)),
            ("dump_is_data", lambda: _dump_is_data(new_model, problem)),
            ("save_load", lambda: _save_load(new_model, problem)),
            ("progress", lambda: _progress(new_model, problem)),
            ("explains", lambda: _explains(new_model, problem)),
        )
        checks += [attempt(name, check) for name, check in rest]
    return ConformanceReport(str(getattr(new_model, "name", new_model)), tuple(checks))


def _make_problem(n_rows: int, n_features: int) -> _Problem:
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(n_rows, n_features))
    y = 0.01 * (0.3 * X[:, 0] - 0.2 * X[:, 1] * (X[:, 2] > 0) + rng.normal(size=n_rows))
    holed = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    for array in (X, holed, y):
        array.flags.writeable = False
    return _Problem(X, holed, y)


def _fit(new_model: Callable[[], Model], X: Floats, y: Floats) -> Model:
    model = new_model()
    model.fit(X, y, seed=SEED, n_threads=N_THREADS, on_progress=ignore_progress)
    return model


def _declares(new_model: Callable[[], Model]) -> str:
    model = new_model()
    require(
        isinstance(getattr(model, "name", None), str) and bool(model.name),
        "must have a `name` that is a string",
    )
    require(
        isinstance(getattr(model, "accepts_missing", None), bool),
        "must say `accepts_missing = True` or `False`",
    )
    missing = [
        name for name in ("fit", "predict", "dump", "parse") if not callable(getattr(model, name, None))
    ]
    require(not missing, f"must have the methods fit, predict, dump, parse; lacks {', '.join(missing)}")
    return f"name {model.name}, accepts_missing {model.accepts_missing}"


def _fits(new_model: Callable[[], Model], problem: _Problem) -> str:
    _fit(new_model, problem.X, problem.y)
    return f"{problem.X.shape[0]} rows x {problem.X.shape[1]} features"


def _shape(new_model: Callable[[], Model], problem: _Problem) -> str:
    model = _fit(new_model, problem.X, problem.y)
    for n in (problem.y.size, 1, 0):
        predicted = model.predict(problem.X[:n])
        require(
            isinstance(predicted, np.ndarray),
            f"predict must return an ndarray, was {type(predicted).__name__}",
        )
        require(predicted.shape == (n,), f"predict of {n} rows must have shape ({n},), was {predicted.shape}")
        require(predicted.dtype == np.float64, f"predict must return float64, was {predicted.dtype}")
    return "(n,) float64 for many rows, one row and none"


def _finite(new_model: Callable[[], Model], problem: _Problem) -> str:
    predicted = _fit(new_model, problem.X, problem.y).predict(problem.X)
    n_bad = int(np.count_nonzero(~np.isfinite(predicted)))
    require(n_bad == 0, f"predict must be finite on finite input, {n_bad} of {predicted.size} rows were not")
    return f"{predicted.size} rows"


def _pure(new_model: Callable[[], Model], problem: _Problem) -> str:
    X, y = problem.X.copy(), problem.y.copy()
    _fit(new_model, X, y).predict(X)
    require(
        same_bits(X, problem.X) and same_bits(y, problem.y), "fit and predict must not change their inputs"
    )
    model = _fit(new_model, problem.X, problem.y)
    require(
        same_bits(model.predict(problem.X), model.predict(problem.X)),
        "predict must give the same answer twice",
    )
    return "inputs unchanged, predict repeatable"


def _deterministic(new_model: Callable[[], Model], problem: _Problem) -> str:
    one, two = _fit(new_model, problem.X, problem.y), _fit(new_model, problem.X, problem.y)
    require(
        same_bits(one.predict(problem.X), two.predict(problem.X)),
        "the same seed must give the same predictions",
    )
    require(one.dump() == two.dump(), "the same seed must give the same bytes")
    return f"seed {SEED}: equal bytes"


def _row_order(new_model: Callable[[], Model], problem: _Problem) -> str:
    model = _fit(new_model, problem.X, problem.y)
    order = np.random.default_rng(SEED).permutation(problem.y.size)
    require(
        same_bits(model.predict(problem.X[order]), model.predict(problem.X)[order]),
        "the prediction of a row must not depend on where it stands",
    )
    return "permuted rows give permuted predictions"


def _row_by_row(new_model: Callable[[], Model], problem: _Problem) -> str:
    model = _fit(new_model, problem.X, problem.y)
    together = model.predict(problem.X[:20])
    alone = np.array([model.predict(problem.X[i : i + 1])[0] for i in range(20)])
    worst = float(np.abs(together - alone).max())
    require(
        same_bits(together, alone), f"a row alone must be predicted as among others, differed by {worst:.3g}"
    )
    return "one row as in training, bit for bit"


def _missing(new_model: Callable[[], Model], problem: _Problem) -> str:
    if not new_model().accepts_missing:
        return "declared as not accepted: rows with NaN are kept from it"
    predicted = _fit(new_model, problem.holed, problem.y).predict(problem.holed)
    n_bad = int(np.count_nonzero(~np.isfinite(predicted)))
    require(
        n_bad == 0,
        f"accepts_missing is True, but {n_bad} of {predicted.size} rows with NaN had no finite prediction",
    )
    return "NaN in a tenth of the cells"


def _dump_is_data(new_model: Callable[[], Model], problem: _Problem) -> str:
    files = _fit(new_model, problem.X, problem.y).dump()
    require(bool(files), "dump must give at least one file")
    for name, content in files.items():
        require(isinstance(content, bytes), f"dump must give bytes, {name} was {type(content).__name__}")
        require(
            "/" not in name and not name.startswith("."), f"file names of dump must be plain, was {name!r}"
        )
        require(not _looks_pickled(content), f"{name} is a pickle: a model is dumped as data, not as code")
    return ", ".join(f"{name} {len(content)} bytes" for name, content in sorted(files.items()))


def _save_load(new_model: Callable[[], Model], problem: _Problem) -> str:
    X = problem.holed if new_model().accepts_missing else problem.X
    model = _fit(new_model, X, problem.y)
    again = type(model).parse(model.dump())
    require(
        same_bits(model.predict(X), again.predict(X)),
        "a parsed model must predict bit for bit as the dumped one",
    )
    require(again.dump() == model.dump(), "dump of a parsed model must give the same bytes")
    return "equal bit for bit"


def _progress(new_model: Callable[[], Model], problem: _Problem) -> str:
    seen: list[tuple[int, int]] = []
    new_model().fit(
        problem.X,
        problem.y,
        seed=SEED,
        n_threads=N_THREADS,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    require(bool(seen), "fit must call on_progress(done, total) at least once, at its end")
    require(seen[-1][0] == seen[-1][1], f"the last on_progress must have done == total, was {seen[-1]}")
    return f"{len(seen)} reports"


def _explains(new_model: Callable[[], Model], problem: _Problem) -> str:
    X = problem.holed if new_model().accepts_missing else problem.X
    model = _fit(new_model, X, problem.y)
    if not isinstance(model, Explains):
        return "not offered: the model has no method contributions"
    parts, predicted = model.contributions(X), model.predict(X)
    wanted = (X.shape[0], X.shape[1] + 1)
    require(parts.shape == wanted, f"contributions must have shape {wanted}, was {parts.shape}")
    require(bool(np.isfinite(parts).all()), "contributions must be finite")
    require(bool((parts[:, -1] == parts[0, -1]).all()), "the last contribution must be one base for all rows")
    off = float((np.abs(parts.sum(axis=1) - predicted) / np.maximum(np.abs(parts).sum(axis=1), 1e-300)).max())
    require(
        off <= ADDS_UP_WITHIN,
        f"contributions must sum to the prediction within {ADDS_UP_WITHIN:.0e} of their size, were off by {off:.3g}",
    )
    return f"contributions sum to the prediction within {off:.1e}"


def _looks_pickled(content: bytes) -> bool:
    """Whether bytes begin as a pickle (protocol 2 on), or a zip or numpy file that carries one."""
    is_pickle = content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return is_pickle or b"data.pkl" in content[:4096]
