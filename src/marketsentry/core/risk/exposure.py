"""Steps 2 to 6 of the risk check: caps on weights and turnover, by the kernels that the backtest loops.

A kernel scales to a cap up to rounding. Here it is repeated until its own strict comparison is content, so that what
comes out passes the same check again: a difference of a few units in the last place.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.risk.codes import Rule, exceeded
from marketsentry.core.risk.violations import Cure, Violation
from marketsentry.kernels import risk as kernel

_MOST_REPEATS = 64
_ONE_GROUP = 1


def cap_singles(
    weights: NDArray[np.float64], names: Sequence[str], cap: float, *, found: list[Violation]
) -> None:
    """Clip each weight (N,) in place and note who was clipped."""
    for n, name in enumerate(names):
        before = abs(float(weights[n]))
        if kernel.clip_single(weights[n : n + 1], cap):
            found.append(_clipped(Rule.SINGLE_WEIGHT, before, cap, name))


def cap_gross(weights: NDArray[np.float64], cap: float, *, found: list[Violation]) -> None:
    """Scale all weights (N,) in place to the cap on their gross."""
    before = float(kernel.gross(weights))
    if _repeated(lambda: int(kernel.scale_gross(weights, cap)), weights):
        found.append(_clipped(Rule.GROSS_EXPOSURE, before, cap))


def cap_groups(
    weights: NDArray[np.float64],
    groups: Sequence[Sequence[str]],
    cap_of: Callable[[str], float],
    *,
    rule: Rule,
    found: list[Violation],
) -> None:
    """Scale each group in place to its cap, in the order in which groups are first named.

    `groups` (N,) lists the groups of each weight; a weight may count in several.
    """
    for group in dict.fromkeys(name for names in groups for name in names):
        members = np.array([0 if group in names else -1 for names in groups], dtype=np.int64)
        cap = np.array([cap_of(group)])
        before = float(kernel.gross(weights[members == 0]))
        if _repeated(_scale_one(weights, members, cap), weights, members == 0):
            found.append(_clipped(rule, before, float(cap[0]), group))


def judge_turnover(
    weights: NDArray[np.float64], current: NDArray[np.float64], cap: float, *, found: list[Violation]
) -> NDArray[np.float64]:
    """Note a turnover above the cap, and blend towards what is held until it is met (K-42).

    Parameters
    ----------
    weights
        Wanted, (N,); left as they are.
    current
        Held, (N,).
    cap
        Most turnover.
    found
        Takes the violation.

    Returns
    -------
    ndarray of shape (N,)
        Reductions in full, openings shared; no weight is larger than the wanted one. Only reductions that alone exceed
        the cap leave a larger turnover, since closing is always possible.
    """
    blend = weights.copy()
    if not kernel.feasible_turnover(blend, current, cap):
        return blend
    found.append(
        Violation(
            Rule.TURNOVER,
            exceeded(Rule.TURNOVER),
            Cure.BREACH,
            float(kernel.turnover(weights, current)),
            cap,
        )
    )
    for step in range(1, _MOST_REPEATS):
        blend = np.copysign(np.minimum(np.abs(blend), np.abs(weights)), blend)
        if not kernel.turnover(blend, current) > cap or only_reduces(blend, current):
            break
        blend = weights.copy()  # what is above the cap is rounding
        kernel.feasible_turnover(blend, current, cap * (1.0 - step * np.finfo(np.float64).eps))
    return blend


def turnover(weights: NDArray[np.float64], current: NDArray[np.float64]) -> float:
    """Sum of absolute changes from `current` (N,) to `weights` (N,)."""
    return float(kernel.turnover(weights, current))


def gross(weights: NDArray[np.float64]) -> float:
    """Sum of absolute weights (N,)."""
    return float(kernel.gross(weights))


def only_reduces(weights: NDArray[np.float64], current: NDArray[np.float64]) -> bool:
    """Tell whether no weight (N,) opens: each lies between zero and what is held (N,)."""
    return all(
        wanted == held or kernel.reduce_only(wanted, held) == wanted
        for wanted, held in zip(weights, current, strict=True)
    )


def _scale_one(
    weights: NDArray[np.float64], members: NDArray[np.int64], cap: NDArray[np.float64]
) -> Callable[[], int]:
    return lambda: int(kernel.scale_groups(weights, members, cap, np.empty(_ONE_GROUP)))


def _repeated(
    scale: Callable[[], int], weights: NDArray[np.float64], members: NDArray[np.bool_] | None = None
) -> bool:
    """Scale until nothing exceeds; tell whether anything did. What cannot be scaled any more is no position."""
    if not scale():
        return False
    for _ in range(_MOST_REPEATS):
        if not scale():
            return True
    weights[... if members is None else members] = 0.0
    return True


def _clipped(rule: Rule, figure: float, limit: float, subject: str = "") -> Violation:
    return Violation(rule, exceeded(rule, subject), Cure.CLIPPED, figure, limit, subject)
