"""Recursions of the synthetic market: those that cannot be written as array expressions."""

import math

import numpy as np
from numba import njit

Z_CLIP = 6.0


@njit(cache=True)
def markov_path(uniform, transition):
    """Walk a Markov chain.

    `uniform` (T,) in [0, 1); `transition` (K, K) rows sum to 1. Returns (T,) int64 states, starting in state
    0.
    """
    path = np.empty(uniform.size, np.int64)
    state = 0
    n_states = transition.shape[0]
    for t in range(uniform.size):
        acc = 0.0
        following = n_states - 1
        for k in range(n_states):
            acc += transition[state, k]
            if uniform[t] < acc:
                following = k
                break
        state = following
        path[t] = state
    return path


@njit(cache=True)
def ar1(noise, phi):
    """Unit-variance AR(1) of unit-variance `noise` (T,): x[t] = phi x[t-1] + sqrt(1 - phi^2) noise[t]."""
    out = np.empty(noise.size)
    gain = math.sqrt(1.0 - phi * phi)
    x = noise[0] if noise.size else 0.0
    for t in range(noise.size):
        x = phi * x + gain * noise[t]
        out[t] = x
    return out


@njit(cache=True)
def decaying_sum(impulse, phi):
    """Sum of exponentially decaying impulses (T,): x[t] = phi x[t-1] + impulse[t]."""
    out = np.empty(impulse.size)
    x = 0.0
    for t in range(impulse.size):
        x = phi * x + impulse[t]
        out[t] = x
    return out


@njit(cache=True)
def returns_with_memory(
    vol, shock, jump, event_drift, trend_gain, reversal_gain, phi_slow, phi_fast, strength
):
    """Log returns whose drift depends on their own past.

    All arrays (T,): `vol` log-return volatility per bar, `shock` unit-variance, `jump` and `event_drift` log
    returns (`event_drift` at unit strength), `trend_gain` and `reversal_gain` in units of `vol` per bar.

    Returns `returns` (T,) and `driver` (T,): the drift of bar t at unit strength, known before bar t opens.
    """
    n = vol.size
    returns = np.empty(n)
    driver = np.empty(n)
    gain_slow = math.sqrt(1.0 - phi_slow * phi_slow)
    gain_fast = math.sqrt(1.0 - phi_fast * phi_fast)
    slow = 0.0
    fast = 0.0
    for t in range(n):
        pull = trend_gain[t] * math.tanh(slow) - reversal_gain[t] * math.tanh(fast)
        driver[t] = vol[t] * pull + event_drift[t]
        returns[t] = strength * driver[t] + vol[t] * shock[t] + jump[t]
        z = min(max(returns[t] / vol[t], -Z_CLIP), Z_CLIP)
        slow = phi_slow * slow + gain_slow * z
        fast = phi_fast * fast + gain_fast * z
    return returns, driver
