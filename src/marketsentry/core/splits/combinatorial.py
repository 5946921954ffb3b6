"""Combinatorial purged cross-validation: many whole histories of out-of-sample predictions from one.

The history is cut into groups. Every choice of test groups is one combination: a model is fitted on what lies outside
them, less the purge on both sides of each. The predictions are put together again into paths, each of which tests every
group once, with no combination used twice for the same group. So a result has a distribution instead of one value.

Like a purged k-fold it trains on what came later: a path tells how much a result hangs on the stretch of history it was
fitted on, not what could have been earned.
"""

import itertools
import math
from dataclasses import dataclass

from marketsentry.core.splits.walk_forward import purge_length
from marketsentry.exceptions import InputError

MAX_COMBINATIONS = 200


@dataclass(frozen=True, slots=True)
class Combination:
    """The groups that one fit is tested on, and the ranges of bars it trains and tests on (`stop` exclusive).

    `test` has one range per group in `groups`, in time order.
    """

    index: int
    groups: tuple[int, ...]
    train: tuple[slice, ...]
    test: tuple[slice, ...]

    @property
    def hull(self) -> slice:
        """Bars from the first tested one to the last."""
        return slice(self.test[0].start, self.test[-1].stop)


@dataclass(frozen=True, slots=True)
class CombinatorialPlan:
    """All combinations, and the paths made of them: ``paths[p][g]`` is the combination that tests group `g` in it."""

    groups: tuple[slice, ...]
    n_test_groups: int
    combinations: tuple[Combination, ...]
    paths: tuple[tuple[int, ...], ...]
    purge_bars: int


def combinatorial_purged(
    n_bars: int,
    *,
    n_groups: int,
    n_test_groups: int,
    horizon_bars: int,
    embargo_bars: int = 0,
    purge_bars: int | None = None,
) -> CombinatorialPlan:
    """Plan a combinatorial purged cross-validation.

    Parameters
    ----------
    n_bars
        Length of the history.
    n_groups
        Number of groups N, >= 2; their lengths differ by at most one bar.
    n_test_groups
        Groups k that each combination is tested on, 1..N - 1.
    horizon_bars
        The longest label horizon in use, in bars, >= 1.
    embargo_bars
        Further bars to drop beside a test group, >= 0.
    purge_bars
        The gap wanted, in bars; horizon plus embargo if left out.

    Returns
    -------
    CombinatorialPlan
        ``C(N, k)`` combinations in lexicographic order, ``C(N - 1, k - 1)`` paths.

    Raises
    ------
    InputError
        If a number is out of range, the purge is too short, there are more than `MAX_COMBINATIONS` combinations, or one
        of them has no training rows.

    Notes
    -----
    The number of paths is ``k / N * C(N, k)``. Path `p` takes for every group the p-th combination that tests it.

    References
    ----------
    Lopez de Prado (2018), "Advances in Financial Machine Learning", chapter 12.

    Examples
    --------
    >>> plan = combinatorial_purged(600, n_groups=6, n_test_groups=2, horizon_bars=3)
    >>> len(plan.combinations), len(plan.paths), plan.combinations[1].train
    (15, 5, (slice(103, 197, None), slice(303, 600, None)))
    """
    gap = purge_length(horizon_bars=horizon_bars, embargo_bars=embargo_bars, purge_bars=purge_bars)
    if not 2 <= n_groups <= n_bars:
        raise InputError(f"n_groups must be in 2..n_bars ({n_bars}), was {n_groups}")
    if not 1 <= n_test_groups < n_groups:
        raise InputError(f"n_test_groups must be in 1..n_groups - 1 ({n_groups - 1}), was {n_test_groups}")
    n_combinations = math.comb(n_groups, n_test_groups)
    if n_combinations > MAX_COMBINATIONS:
        raise InputError(
            f"a combinatorial cross-validation must have <= {MAX_COMBINATIONS} combinations, "
            f"{n_groups} groups with {n_test_groups} tested have {n_combinations:,}"
        )
    edges = [n_bars * k // n_groups for k in range(n_groups + 1)]
    groups = tuple(slice(*ends) for ends in itertools.pairwise(edges))
    combinations = tuple(
        _combination(index, tested, groups, gap, n_bars)
        for index, tested in enumerate(itertools.combinations(range(n_groups), n_test_groups))
    )
    testing = [[one.index for one in combinations if g in one.groups] for g in range(n_groups)]
    return CombinatorialPlan(groups, n_test_groups, combinations, tuple(zip(*testing, strict=True)), gap)


def parse_groups(text: str) -> tuple[int, int]:
    """Read `NxK`, such as 6x2: groups and how many of them are tested at once; raises `InputError`."""
    n_groups, cross, n_test_groups = text.lower().partition("x")
    if not (cross and n_groups.strip().isdecimal() and n_test_groups.strip().isdecimal()):
        raise InputError(f"groups must be given as NxK, such as 6x2, was {text!r}")
    return int(n_groups), int(n_test_groups)


def _combination(
    index: int, tested: tuple[int, ...], groups: tuple[slice, ...], gap: int, n_bars: int
) -> Combination:
    test = tuple(groups[g] for g in tested)
    starts = (0, *(span.stop + gap for span in test))
    stops = (*(span.start - gap for span in test), n_bars)
    train = tuple(slice(a, b) for a, b in zip(starts, stops, strict=True) if b > a)
    if not train:
        raise InputError(
            f"n_bars must leave training rows beside {len(tested)} of {len(groups)} groups and a purge of {gap} bars, "
            f"was {n_bars}"
        )
    return Combination(index, tested, train, test)
