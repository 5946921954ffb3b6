"""Markets whose information coefficient is known by construction, and models that know nothing.

The planted market, per bar and symbol, with ``x`` the log return and ``s`` what the model says:

- ``s`` is a unit-variance AR(1) with coefficient ``p``, half of its variance common to all symbols;
- ``x[t + 1] = d v[t + 1] (a s[t] + sqrt(1 - a^2) e[t + 1])``; the normal shocks ``e`` of all symbols share a factor;
- ``v = exp(h)``: ``h`` a normal AR(1) common to all symbols, so that volatility clusters.

The outcome over H bars is the log of the forward return, a sum of ``x``. With ``g = var(h)`` and ``q`` its coefficient

    covariance(s, outcome) = d a exp(g / 2) (1 + p + ... + p^(H - 1))
    variance(outcome) = d^2 sum over i, j < H of exp(g (1 + q^|i - j|)) c(i - j),   c(0) = 1, c(k) = a^2 p^|k|

and the population IC is their quotient by standard deviations, the same in every symbol and for all of them together.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.labels.forward_return import forward_return
from marketsentry.exceptions import InputError
from marketsentry.kernels.synthetic import ar1

Floats = NDArray[np.float64]

_FACTOR = 0.75  # loading of the shocks on what all symbols share
_BURN_IN = 500


@dataclass(frozen=True, slots=True)
class Planted:
    """Parameters of the planted market: `edge` is ``a``, `memory` is ``p``; the others as in the module's equations."""

    horizon_bars: int
    edge: float
    memory: float
    volatility: float = 0.006
    log_vol_deviation: float = 0.4
    log_vol_memory: float = 0.95

    def __post_init__(self) -> None:
        if not 0.0 <= self.edge < 1.0:
            raise InputError(f"edge must be in [0, 1), was {self.edge}")
        if not (0.0 <= self.memory < 1.0 and 0.0 <= self.log_vol_memory < 1.0):
            raise InputError(f"memories must be in [0, 1), were {self.memory} and {self.log_vol_memory}")

    def population_ic(self) -> float:
        """Give the true correlation of what is said with what comes over the horizon."""
        bars = np.arange(self.horizon_bars)
        apart = np.abs(bars[:, None] - bars)
        variance = self.log_vol_deviation**2
        volatilities = np.exp(variance * (1.0 + self.log_vol_memory**apart))
        returns = np.where(apart == 0, 1.0, self.edge**2 * self.memory**apart)
        covariance = self.edge * math.exp(variance / 2.0) * float(np.sum(self.memory**bars))
        return covariance / math.sqrt(float(np.sum(volatilities * returns)))


def draw_planted(
    planted: Planted, *, n_bars: int, n_symbols: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw a planted market.

    Parameters
    ----------
    planted
        Its parameters.
    n_bars
        Bars, >= 1.
    n_symbols
        Symbols, >= 1.
    rng
        Of all draws.

    Returns
    -------
    said : ndarray of shape (n_bars, n_symbols)
        What the model says at each close.
    close : ndarray of shape (n_bars, n_symbols)
        Closes, positive.
    """
    n = n_bars + _BURN_IN

    def shocks() -> Floats:
        return rng.standard_normal(n)

    said_by_all, factor = ar1(shocks(), planted.memory), shocks()
    volatility = planted.volatility * np.exp(
        planted.log_vol_deviation * ar1(shocks(), planted.log_vol_memory)
    )
    said, returns = np.empty((n, n_symbols)), np.empty((n, n_symbols))
    for k in range(n_symbols):
        said[:, k] = math.sqrt(0.5) * (said_by_all + ar1(shocks(), planted.memory))
        shock = _FACTOR * factor + math.sqrt(1.0 - _FACTOR**2) * shocks()
        before = np.concatenate(([0.0], said[:-1, k]))
        returns[:, k] = volatility * (planted.edge * before + math.sqrt(1.0 - planted.edge**2) * shock)
    close: Floats = 100.0 * np.exp(np.cumsum(returns[_BURN_IN:], axis=0))
    return np.ascontiguousarray(said[_BURN_IN:]), close


def log_outcome(close: Floats, horizon_bars: int) -> Floats:
    """Give the log of the product's forward return, (n_bars, n_symbols), NaN in the last bars."""
    outcome: Floats = np.log1p(forward_return(close, horizon_bars))
    return outcome


def draw_noise(*, n_bars: int, n_symbols: int, bars_per_hour: float, rng: np.random.Generator) -> Floats:
    """Draw the predictions of a model that knows nothing, as sure of itself as one that does.

    Parameters
    ----------
    n_bars
        Bars, >= 1.
    n_symbols
        Symbols, >= 1.
    bars_per_hour
        Sets the memory in bars.
    rng
        Of all draws.

    Returns
    -------
    ndarray of shape (n_bars, n_symbols)
        Normal AR(1) with a half-life of 2 hours to 14 days, a share of 0 to 0.9 of its variance common to all symbols,
        and a deviation of 10 to 60 bps: from one that trades all the time to one that hardly does.
    """
    half_life_bars = bars_per_hour * 2.0 * 168.0 ** rng.random()
    common, scale = 0.9 * rng.random(), 10e-4 * 6.0 ** rng.random()
    memory = 0.5 ** (1.0 / half_life_bars)
    shared = math.sqrt(common) * ar1(rng.standard_normal(n_bars), memory)
    columns = [
        shared + math.sqrt(1.0 - common) * ar1(rng.standard_normal(n_bars), memory) for _ in range(n_symbols)
    ]
    said: Floats = scale * np.stack(columns, axis=1)
    return said
