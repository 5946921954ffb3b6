"""Proof that two writers of feature snapshots wrote the same: what differs, by how much, and is it too much.

Every snapshot belongs to a lineage, and the name of a lineage says who wrote it: `train-...` the builder of
training sets, `infer-...` the server of predictions. Bars that both have seen must have the same features.
"""

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from marketsentry.exceptions import InputError

OK, MISMATCH, INSUFFICIENT = "ok", "payload_mismatch", "insufficient_snapshots"

Payload = Mapping[str, Any]  # feature name to any JSON value


class Writer(StrEnum):
    """Who writes snapshots; the value is the first part of the names of its lineages."""

    TRAIN = "train"
    INFER = "infer"

    @property
    def other(self) -> "Writer":
        """The writer whose snapshots must agree with those of this one."""
        return Writer.INFER if self is Writer.TRAIN else Writer.TRAIN


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may differ.

    `strict` bounds the largest difference by `max_diff` (0..1), otherwise the mean is bounded. At most
    `max_keys` names of differing features are reported.
    """

    max_diff: float = 1e-6
    strict: bool = True
    max_keys: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.max_diff <= 1:
            raise InputError(f"tolerance must be 0..1, was {self.max_diff}")
        if self.max_keys < 1:
            raise InputError(f"max_mismatch_keys must be >= 1, was {self.max_keys}")


@dataclass(frozen=True, slots=True)
class SnapshotComparison:
    """What came out: `reason` is `ok`, `payload_mismatch` or `insufficient_snapshots`.

    The differences are dimensionless or in the unit of their feature, None when nothing was compared;
    `mismatch_keys` are the names of features that differ by more than the tolerance, sorted.
    """

    passed: bool
    reason: str
    compared_snapshots: int
    max_abs_diff: float | None
    mean_abs_diff: float | None
    mismatch_keys: tuple[str, ...]


def writer_of(lineage_id: str) -> Writer | None:
    """Tell who wrote the snapshots of a lineage; None for a name of no writer."""
    return next((writer for writer in Writer if lineage_id.startswith(f"{writer}-")), None)


def compare_snapshots(pairs: Iterable[tuple[Payload, Payload]], tolerance: Tolerance) -> SnapshotComparison:
    """Compare snapshots pair by pair and feature by feature.

    Parameters
    ----------
    pairs : iterable of (mapping, mapping)
        Two payloads that should be equal, JSON values by feature name.
    tolerance : Tolerance
        How much may differ.

    Returns
    -------
    SnapshotComparison
        The maximum and the mean are over all features of all pairs.

    Notes
    -----
    Two numbers differ by the absolute value of their difference; a number that the other side lacks is compared
    with 0. Any other two values differ by 1 when they are not equal, so a missing value (null) is not 0.
    """
    n_pairs = 0
    differences: list[float] = []
    mismatched: set[str] = set()
    for left, right in pairs:
        n_pairs += 1
        for key in left.keys() | right.keys():
            difference = _difference(key, left, right)
            differences.append(difference)
            if difference > tolerance.max_diff:
                mismatched.add(key)
    if n_pairs == 0:
        return SnapshotComparison(False, INSUFFICIENT, 0, None, None, ())
    largest = max(differences, default=0.0)
    mean = math.fsum(one / len(differences) for one in differences)
    passed = (largest if tolerance.strict else mean) <= tolerance.max_diff
    return SnapshotComparison(
        passed=passed,
        reason=OK if passed else MISMATCH,
        compared_snapshots=2 * n_pairs,
        max_abs_diff=largest,
        mean_abs_diff=mean,
        mismatch_keys=tuple(sorted(mismatched)[: tolerance.max_keys]),
    )


def _difference(key: str, left: Payload, right: Payload) -> float:
    a, b = left.get(key, 0.0), right.get(key, 0.0)
    if _is_number(a) and _is_number(b):
        return _distance(a, b)
    same = a == b and key in left and key in right and isinstance(a, bool) == isinstance(b, bool)
    return 0.0 if same else 1.0


def _is_number(value: Any) -> bool:  # any JSON value
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distance(a: float, b: float) -> float:
    return min(abs(float(a) - float(b)), sys.float_info.max)
