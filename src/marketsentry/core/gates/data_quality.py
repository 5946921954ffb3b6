"""The data-quality gate (contract 4.3): measured facts beside their limits, with the contract's reason codes.

It blocks training, promotion and live opening alike. It fails closed: a figure that could not be measured is
NaN and passes no comparison.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from marketsentry.core.gates.verdict import GateCheck, at_least, at_most
from marketsentry.core.market.quality import QualityFacts


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Limits of the gate. The first five are the contract's; that of freshness is `stale_after_s` of the facts.

    `max_longest_gap_s` and `max_jump_rate` bound what rates hide over a long training range: one outage of
    days, a handful of broken prices.
    """

    max_missing_rate: float = 0.02
    max_invalid_price_rate: float = 0.005
    max_duplicate_rate: float = 0.02
    max_stale_ratio: float = 0.1
    min_rows: int = 200
    max_jump_rate: float = 0.001
    max_longest_gap_s: float = 72 * 3_600.0
    max_cross_source_dev_frac: float = 0.02


@dataclass(frozen=True, slots=True)
class QualityVerdict:
    """The gate's decision. `reasons` are codes, empty exactly when it passed; `result` holds the contract's
    keys.
    """

    passed: bool
    reasons: tuple[str, ...]
    checks: tuple[GateCheck, ...]
    result: dict[str, Any] = field(repr=False)


def judge_data_quality(facts: QualityFacts, limits: QualityLimits) -> QualityVerdict:
    """Judge one series.

    Parameters
    ----------
    facts
        What `measure_quality` found.
    limits
        Limits in force.

    Returns
    -------
    QualityVerdict
        Reasons in the order of the contract's table, then the additional ones. The cross-source check is made
        where the facts hold a second source.
    """
    checks = {
        "missing_rate_exceeded": at_most("missing_rate", facts.missing_rate, limits.max_missing_rate),
        "invalid_price_rate_exceeded": at_most(
            "invalid_price_rate", facts.invalid_price_rate, limits.max_invalid_price_rate
        ),
        "duplicate_rate_exceeded": at_most("duplicate_rate", facts.duplicate_rate, limits.max_duplicate_rate),
        "stale_ratio_exceeded": at_most("stale_ratio", facts.stale_ratio, limits.max_stale_ratio),
        "min_rows_not_met": at_least("total_rows", facts.total_rows, limits.min_rows),
        "freshness_exceeded": at_most("freshness_s", facts.freshness_s, facts.stale_after_s),
        "jump_rate_exceeded": at_most("jump_rate", facts.jump_rate, limits.max_jump_rate),
        "longest_gap_exceeded": at_most("longest_gap_s", facts.longest_gap_s, limits.max_longest_gap_s),
    }
    if facts.cross_source_dev_frac is not None:
        checks["cross_source_deviation_exceeded"] = at_most(
            "cross_source_dev_frac", facts.cross_source_dev_frac, limits.max_cross_source_dev_frac
        )
    reasons = tuple(code for code, check in checks.items() if not check.passed)
    return QualityVerdict(
        passed=not reasons, reasons=reasons, checks=tuple(checks.values()), result=_result(facts, not reasons)
    )


def _result(facts: QualityFacts, passed: bool) -> dict[str, Any]:
    """The contract's result keys, then ours; a figure that could not be measured is None."""
    return {
        "total_rows": facts.total_rows,
        "missing_rate": _shown(facts.missing_rate),
        "invalid_price_rate": _shown(facts.invalid_price_rate),
        "duplicate_rate": _shown(facts.duplicate_rate),
        "stale_ratio": _shown(facts.stale_ratio),
        "quality_passed": int(passed),
        "expected_rows": facts.expected_rows,
        "n_missing": facts.n_missing,
        "n_no_trade": facts.n_no_trade,
        "n_gaps": len(facts.gaps),
        "longest_gap_s": facts.longest_gap_s,
        "freshness_s": _shown(facts.freshness_s),
        "jump_rate": _shown(facts.jump_rate),
        "cross_source_dev_frac": _shown(facts.cross_source_dev_frac),
    }


def _shown(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)
