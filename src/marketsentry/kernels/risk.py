"""Limits on a row of weights, one rule per function, in the order of the risk check.

Every function changes the row in place and returns how many limits it had to enforce, so that the caller can
name them. A limit that is met leaves every weight as it is, bit for bit. Weights are finite.
"""

import numpy as np

from marketsentry.kernels.compiling import kernel


@kernel
def clip_single(weights: np.ndarray, cap: float) -> int:
    """Clip each weight to plus or minus `cap`; returns how many were clipped."""
    n_clipped = 0
    for n in range(weights.size):
        if abs(weights[n]) > cap:
            weights[n] = cap if weights[n] > 0.0 else -cap
            n_clipped += 1
    return n_clipped


@kernel
def gross(weights: np.ndarray) -> float:
    """Sum of absolute weights."""
    total = 0.0
    for n in range(weights.size):
        total += abs(weights[n])
    return total


@kernel
def scale_gross(weights: np.ndarray, cap: float) -> int:
    """Scale the whole row so that its gross is at most `cap`; returns 1 if it had to."""
    total = gross(weights)
    if not total > cap:
        return 0
    factor = cap / total
    for n in range(weights.size):
        weights[n] *= factor
    return 1


@kernel
def scale_groups(weights: np.ndarray, group_of: np.ndarray, caps: np.ndarray, totals: np.ndarray) -> int:
    """Scale each group (sector, style or bucket) to its own cap; returns how many groups had to be scaled.

    `group_of` (N,) holds indices into `caps` (G,); -1 means no group. `totals` (G,) is scratch.
    """
    totals[: caps.size] = 0.0
    for n in range(weights.size):
        if group_of[n] >= 0:
            totals[group_of[n]] += abs(weights[n])
    n_scaled = 0
    for g in range(caps.size):
        if totals[g] > caps[g]:
            totals[g] = caps[g] / totals[g]
            n_scaled += 1
        else:
            totals[g] = 1.0
    if n_scaled:
        for n in range(weights.size):
            if group_of[n] >= 0:
                weights[n] *= totals[group_of[n]]
    return n_scaled


@kernel
def reduce_only(wanted: float, current: float) -> float:
    """Move `current` towards `wanted` without opening: never past zero, never larger than it is."""
    if wanted * current <= 0.0:
        return 0.0
    return wanted if abs(wanted) < abs(current) else current


@kernel
def turnover(weights: np.ndarray, current: np.ndarray) -> float:
    """Sum of absolute weight changes from `current` to `weights`."""
    total = 0.0
    for n in range(weights.size):
        total += abs(weights[n] - current[n])
    return total


@kernel
def feasible_turnover(weights: np.ndarray, current: np.ndarray, cap: float) -> int:
    """Blend towards `current` until the turnover is at most `cap`; returns 1 if it had to.

    Reductions go first and in full, since closing is always possible; what the cap leaves is shared by the
    openings in proportion. Only reductions that alone exceed the cap leave a larger turnover.
    """
    if not turnover(weights, current) > cap:
        return 0
    reducing = 0.0
    opening = 0.0
    for n in range(weights.size):
        kept = reduce_only(weights[n], current[n])
        reducing += abs(kept - current[n])
        opening += abs(weights[n] - kept)
    share = 0.0 if opening == 0.0 else min(1.0, max(0.0, cap - reducing) / opening)
    for n in range(weights.size):
        kept = reduce_only(weights[n], current[n])
        weights[n] = kept + share * (weights[n] - kept)
    return 1
