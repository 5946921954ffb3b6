"""What the conformance kits for users' code have in common: named checks of promises, and their report.

A check that cannot run because the code fails says so and fails: nothing is passed unseen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ConformanceCheck:
    """One promise, whether it was kept, and what was seen."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ConformanceReport:
    """All checks of one subject, in the order tried."""

    subject: str
    checks: tuple[ConformanceCheck, ...]

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(check.passed for check in self.checks)


class BrokenPromiseError(Exception):
    """What was promised and what was seen; becomes the detail of a failed check."""


def attempt(name: str, check: Callable[[], str]) -> ConformanceCheck:
    """Run one check, which gives what it saw, or raises `BrokenPromiseError` or anything else."""
    try:
        return ConformanceCheck(name, True, check())
    except BrokenPromiseError as broken:
        return ConformanceCheck(name, False, str(broken))
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything; the kit reports it
        return ConformanceCheck(name, False, f"raised {type(error).__name__}: {error}")


def require(kept: bool, seen: str) -> None:
    """Raise `BrokenPromiseError` with what was seen unless the promise was kept."""
    if not kept:
        raise BrokenPromiseError(seen)


def same_bits(one: NDArray[Any], two: NDArray[Any]) -> bool:
    """Tell whether two arrays are equal bit for bit, NaN included."""
    return one.shape == two.shape and one.tobytes() == two.tobytes()
