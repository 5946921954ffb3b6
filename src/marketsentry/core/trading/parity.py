"""How far a paper run over recorded data is from its backtest: zero but for the rounding of sums (design reason 1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

TOLERANCE = 1e-9

TRADED_FILL = np.dtype(
    [("bar", np.int64), ("symbol", np.int64), ("side", np.int64), ("qty", np.float64), ("price", np.float64)]
)


@dataclass(frozen=True, slots=True)
class Traded:
    """What a run did. Arrays over T bars and N targets.

    `equity` (T,) in quote currency and `weights` (T, N) at each close; `fills` as `TRADED_FILL`: row and column of the
    panel, side +1 or -1, base units > 0, price paid in quote currency.
    """

    ts_ns: NDArray[np.int64]
    equity: NDArray[np.float64]
    weights: NDArray[np.float64]
    fills: NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences. Equity, quantities and prices count relative to the backtest's, weights as they are.

    `n_only_in_run` and `n_only_in_backtest` count fills without a counterpart of the same bar, target and side.
    """

    n_bars: int
    n_fills: int
    equity: float
    weights: float
    quantity: float
    price: float
    n_only_in_run: int
    n_only_in_backtest: int

    @property
    def max_abs_diff(self) -> float:
        """The largest of all differences; NaN when one cannot be told."""
        return float(np.max([self.equity, self.weights, self.quantity, self.price]))

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs by more than the tolerance and no fill is missing on either side."""
        return self.max_abs_diff <= TOLERANCE and self.n_only_in_run == self.n_only_in_backtest == 0


def measure_parity(run: Traded, backtest: Traded) -> Parity:
    """Compare a run with the backtest of the same bars.

    Parameters
    ----------
    run
        What was traded.
    backtest
        Over the same bars and targets.

    Returns
    -------
    Parity

    Raises
    ------
    InputError
        If the bars or the targets differ, or a run has two fills of one bar, target and side.

    Notes
    -----
    A weight that is undefined on both sides (no equity) agrees; on one side alone it makes the difference NaN.
    """
    if not np.array_equal(run.ts_ns, backtest.ts_ns):
        raise InputError(f"both must have the same bars, were {run.ts_ns.size} and {backtest.ts_ns.size}")
    if run.weights.shape != backtest.weights.shape:
        raise InputError(
            f"both must have the same targets, weights were {run.weights.shape} and {backtest.weights.shape}"
        )
    ours, theirs = _by_place(run.fills), _by_place(backtest.fills)
    shared = sorted(ours.keys() & theirs.keys())
    pairs = [(run.fills[ours[key]], backtest.fills[theirs[key]]) for key in shared]
    return Parity(
        n_bars=run.ts_ns.size,
        n_fills=len(shared),
        equity=_largest(np.abs(run.equity - backtest.equity) / np.abs(backtest.equity)),
        weights=_largest(np.abs(run.weights - backtest.weights)[~_both_undefined(run, backtest)]),
        quantity=_largest(np.array([abs(a["qty"] / b["qty"] - 1.0) for a, b in pairs])),
        price=_largest(np.array([abs(a["price"] / b["price"] - 1.0) for a, b in pairs])),
        n_only_in_run=len(ours.keys() - theirs.keys()),
        n_only_in_backtest=len(theirs.keys() - ours.keys()),
    )


def _both_undefined(run: Traded, backtest: Traded) -> NDArray[np.bool_]:
    both: NDArray[np.bool_] = np.isnan(run.weights) & np.isnan(backtest.weights)
    return both


def _largest(differences: NDArray[np.float64]) -> float:
    return float(np.max(differences)) if differences.size else 0.0


def _by_place(fills: NDArray[np.void]) -> dict[tuple[int, int, int], int]:
    places = [(int(one["bar"]), int(one["symbol"]), int(one["side"])) for one in fills]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise InputError(f"a bar, target and side must have one fill, {twice} has several")
    return {place: index for index, place in enumerate(places)}
