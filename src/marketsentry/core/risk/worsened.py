"""What a decision makes worse: steps 2 to 6 of the risk check, asked of a change instead of a book (ADR 0214).

A position that the market moved above its cap is nobody's decision. Execution therefore refuses only what a decision
raises itself; what stands too high may stay, and may always be reduced.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from marketsentry.core.risk.codes import Rule, exceeded
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.positions import Position, net_positions
from marketsentry.core.risk.profiles import Profile, label_positions
from marketsentry.core.risk.violations import Cure, Violation

Key = tuple[str, str]


def worsened(
    before: Iterable[Position],
    after: Iterable[Position],
    limits: RiskLimits,
    registry: Mapping[Key, Profile],
) -> tuple[Violation, ...]:
    """Name the limits that a change exceeds and raises.

    Parameters
    ----------
    before
        What is held, with what orders on their way would add; lines of one target are netted.
    after
        The same with the decision; its labels come before those of `before`.
    limits
        Limits in force.
    registry
        Labels of the entity registry, by track and target.

    Returns
    -------
    tuple of Violation
        In step order. A single weight is raised when more is held on its side than before, so that crossing zero
        counts from nothing; gross, sector and style when their sum grows. Turnover is that of the change itself, and a
        change that only reduces has none. Empty when nothing is raised that is exceeded.
    """
    old, new = net_positions(before), net_positions(after)
    weight_before = {one.key: one.weight for one in old}
    weight_after = {one.key: one.weight for one in new}
    lines = {one.key: one for one in (*old, *new)}
    labelled = label_positions(tuple(lines.values()), registry)
    keys = tuple(lines)
    rows = [(weight_before.get(key, 0.0), weight_after.get(key, 0.0)) for key in keys]
    found = []
    for key, (held, wanted) in zip(keys, rows, strict=True):
        on_its_side = abs(held) if held * wanted > 0.0 else 0.0
        found += _raised(Rule.SINGLE_WEIGHT, key[1], on_its_side, abs(wanted), limits.max_single_weight)
    found += _raised(Rule.GROSS_EXPOSURE, "", *_sums(rows), limits.max_gross_exposure)
    found += _groups(
        Rule.SECTOR_EXPOSURE, [one.sectors for one in labelled], rows, limits.max_sector_exposure
    )
    found += _groups(Rule.STYLE_EXPOSURE, [one.styles for one in labelled], rows, limits.max_style_exposure)
    if not all(_only_reduces(held, wanted) for held, wanted in rows):
        moved = math.fsum(abs(wanted - held) for held, wanted in rows)
        found += _raised(Rule.TURNOVER, "", 0.0, moved, limits.max_turnover)
    return tuple(found)


def _groups(
    rule: Rule, groups: Sequence[Sequence[str]], rows: Sequence[tuple[float, float]], cap: float
) -> list[Violation]:
    found = []
    for group in dict.fromkeys(name for names in groups for name in names):
        members = [row for row, names in zip(rows, groups, strict=True) if group in names]
        found += _raised(rule, group, *_sums(members), cap)
    return found


def _sums(rows: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Gross before and after, each rounded once: a change that only reduces never raises it by rounding."""
    return math.fsum(abs(held) for held, _ in rows), math.fsum(abs(wanted) for _, wanted in rows)


def _raised(rule: Rule, subject: str, before: float, after: float, cap: float) -> list[Violation]:
    if after <= cap or after <= before:
        return []
    return [Violation(rule, exceeded(rule, subject), Cure.BREACH, after, cap, subject)]


def _only_reduces(held: float, wanted: float) -> bool:
    return wanted == held or (abs(wanted) <= abs(held) and held * wanted >= 0.0)
