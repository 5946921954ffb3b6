"""A gate's decision: each measured value beside its limit. Comparisons are written so that NaN fails."""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Comparison(StrEnum):
    """How a value must stand to its limit."""

    AT_LEAST = ">="
    AT_MOST = "<="
    MORE_THAN = ">"
    LESS_THAN = "<"


class Outcome(StrEnum):
    """What a gate says. Too little evidence is its own answer: neither trust nor guilt."""

    PASS = "pass"
    FAIL = "fail"
    INSUFFICIENT_OBSERVATION = "insufficient_observation"


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One value beside its limit. `detail` says what a number cannot, e.g. which feature leaked where.

    An informative check is told and decides nothing.
    """

    name: str
    value: float | None
    limit: float
    comparison: Comparison
    passed: bool
    detail: str = ""
    is_informative: bool = False

    def __str__(self) -> str:
        shown = "not measured" if self.value is None else f"{self.value:.6g}"
        text = f"{self.name} was {shown}, must be {self.comparison} {self.limit:.6g}"
        return f"{text}: {self.detail}" if self.detail else text


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """The recorded decision of one gate. `reasons` is empty exactly when the outcome is `pass`."""

    gate: str
    checks: tuple[GateCheck, ...]
    outcome: Outcome
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASS

    @property
    def notes(self) -> tuple[str, ...]:
        """What informative checks that failed have to say, whatever the outcome."""
        return tuple(str(check) for check in self.checks if check.is_informative and not check.passed)

    def document(self) -> dict[str, Any]:
        """Give plain values for JSON; a NaN or infinite value is written as None."""
        plain = asdict(self)
        for check in plain["checks"]:
            check["value"] = _finite_or_none(check["value"])
        plain["outcome"] = str(self.outcome)
        plain["checks"] = [{**check, "comparison": str(check["comparison"])} for check in plain["checks"]]
        plain["reasons"] = list(self.reasons)
        return plain


def verdict_from_document(document: dict[str, Any]) -> GateVerdict:
    """Read back what `GateVerdict.document` wrote."""
    checks = tuple(
        GateCheck(**{**check, "comparison": Comparison(check["comparison"])}) for check in document["checks"]
    )
    return GateVerdict(document["gate"], checks, Outcome(document["outcome"]), tuple(document["reasons"]))


def at_least(name: str, value: float | None, limit: float, detail: str = "") -> GateCheck:
    """Pass when ``value >= limit``; None and NaN fail."""
    return GateCheck(
        name, value, limit, Comparison.AT_LEAST, value is not None and bool(value >= limit), detail
    )


def at_most(name: str, value: float | None, limit: float, detail: str = "") -> GateCheck:
    """Pass when ``value <= limit``; None and NaN fail."""
    return GateCheck(
        name, value, limit, Comparison.AT_MOST, value is not None and bool(value <= limit), detail
    )


def more_than(name: str, value: float | None, limit: float, detail: str = "") -> GateCheck:
    """Pass when ``value > limit``; None and NaN fail."""
    return GateCheck(
        name, value, limit, Comparison.MORE_THAN, value is not None and bool(value > limit), detail
    )


def less_than(name: str, value: float | None, limit: float, detail: str = "") -> GateCheck:
    """Pass when ``value < limit``; None and NaN fail."""
    return GateCheck(
        name, value, limit, Comparison.LESS_THAN, value is not None and bool(value < limit), detail
    )


def decide(
    gate: str,
    checks: tuple[GateCheck, ...],
    *,
    floors: frozenset[str],
    proofs: frozenset[str],
    doubts: frozenset[str] = frozenset(),
) -> GateVerdict:
    """Turn checks into a verdict.

    Parameters
    ----------
    gate
        Name of the gate.
    checks
        All that was measured; none at all is insufficient observation. Informative ones do not count.
    floors
        Checks on how much was observed. If one fails the others prove nothing: insufficient observation.
    proofs
        Checks whose failure is proof however little was observed (a leak): fail, before any floor.
    doubts
        Checks that say how sure the others are. Failed alone they leave the question open: insufficient observation;
        beside another failure they change nothing.

    Returns
    -------
    GateVerdict
    """
    binding = tuple(check for check in checks if not check.is_informative)
    failed = [check for check in binding if not check.passed]
    reasons = tuple(str(check) for check in failed)
    if any(check.name in proofs for check in failed):
        outcome = Outcome.FAIL
    elif not binding:
        outcome, reasons = Outcome.INSUFFICIENT_OBSERVATION, (f"gate {gate} had nothing to check",)
    elif any(check.name in floors for check in failed) or (
        failed and all(check.name in doubts for check in failed)
    ):
        outcome = Outcome.INSUFFICIENT_OBSERVATION
    else:
        outcome = Outcome.FAIL if failed else Outcome.PASS
    return GateVerdict(gate, checks, outcome, reasons)


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
