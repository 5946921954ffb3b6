"""A share that was counted in some runs: its exact interval, and how likely a worse count was."""

import math
from collections.abc import Callable

from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.exceptions import InputError

_HALVINGS = 60  # of 0..1: below the spacing of floats near one half


def binomial_bounds(k: int, n: int, *, level: float) -> Bounds:
    """Give the exact interval of a share.

    Parameters
    ----------
    k
        How often it happened, 0..n.
    n
        Independent runs, >= 1.
    level
        Probability that the interval holds the true share at least, in (0, 1).

    Returns
    -------
    Bounds
        From 0 where it never happened, up to 1 where it always did.

    Raises
    ------
    InputError
        If a number is out of range.

    Notes
    -----
    The shares at which a count as low as `k`, or as high, has probability ``(1 - level) / 2``.

    References
    ----------
    Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26(4), 404-413.
    """
    _check(k, n)
    if not 0.0 < level < 1.0:
        raise InputError(f"level must be in (0, 1), was {level}")
    tail = (1.0 - level) / 2.0
    low = _crossing(lambda share: probability_at_least(k, n, share) < tail) if k > 0 else 0.0
    high = _crossing(lambda share: probability_at_most(k, n, share) > tail) if k < n else 1.0
    return Bounds(low, high)


def probability_at_most(k: int, n: int, share: float) -> float:
    """Give the probability of `k` or fewer of `n` when each happens with probability `share`."""
    _check(k, n)
    if not 0.0 <= share <= 1.0:
        raise InputError(f"share must be in 0..1, was {share}")
    return min(math.fsum(_mass(j, n, share) for j in range(k + 1)), 1.0)


def probability_at_least(k: int, n: int, share: float) -> float:
    """Give the probability of `k` or more of `n` when each happens with probability `share`."""
    return probability_at_most(n - k, n, 1.0 - share)


def _crossing(is_below: Callable[[float], bool]) -> float:
    """Find where a condition that holds up to some share ceases to."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2.0


def _mass(k: int, n: int, share: float) -> float:
    if share in (0.0, 1.0):
        return float(k == n * share)
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))


def _check(k: int, n: int) -> None:
    if n < 1 or not 0 <= k <= n:
        raise InputError(f"k must be in 0..n and n >= 1, were k = {k} and n = {n}")
