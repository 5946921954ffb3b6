"""Wanted and held positions as weights of capital, and the netting of lines that name one target (K-40)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from marketsentry.exceptions import InputError

MAX_ABS_WEIGHT = 1e60
"""Beyond it sums of weights might overflow; a weight that is only too large for its limits is judged by them."""
LIQUID = "liquid"


@dataclass(frozen=True, slots=True)
class Position:
    """A signed fraction of capital in one target; positive is long.

    Parameters
    ----------
    target
        A liquid symbol is taken in upper case, a venture target as it is written.
    weight
        Finite, and within `MAX_ABS_WEIGHT`.
    track
        `liquid` or `vc`.
    sector, style_bucket
        Labels as given or found; None or blank is unknown.
    bucket
        Strategy bucket of the signal, where there is one.
    """

    target: str
    weight: float
    track: str
    sector: str | None = None
    style_bucket: str | None = None
    bucket: str | None = None

    def __post_init__(self) -> None:
        if not abs(self.weight) <= MAX_ABS_WEIGHT:
            raise InputError(
                f"weight of {self.target} must be finite and within +-{MAX_ABS_WEIGHT:g}, was {self.weight}"
            )
        if self.track == LIQUID:
            object.__setattr__(self, "target", self.target.upper())

    @property
    def key(self) -> tuple[str, str]:
        """What makes two lines one position."""
        return self.track, self.target

    def weighing(self, weight: float) -> "Position":
        """Give the same position with another weight."""
        if weight == self.weight:
            return self
        return Position(self.target, weight, self.track, self.sector, self.style_bucket, self.bucket)


def net_positions(lines: Iterable[Position]) -> tuple[Position, ...]:
    """Add up the lines of each target, in the order in which targets are first named.

    Parameters
    ----------
    lines
        Positions; a target may stand in several.

    Returns
    -------
    tuple of Position
        One per (track, target). The first line that has a label gives it. Weights are added exactly and rounded
        once, so that the order of lines does not matter.
    """
    weights: dict[tuple[str, str], list[float]] = {}
    merged: dict[tuple[str, str], Position] = {}
    for line in lines:
        weights.setdefault(line.key, []).append(line.weight)
        first = merged.setdefault(line.key, line)
        if first is not line:
            merged[line.key] = Position(
                first.target,
                first.weight,
                first.track,
                first.sector or line.sector,
                first.style_bucket or line.style_bucket,
                first.bucket or line.bucket,
            )
    return tuple(one.weighing(math.fsum(weights[key])) for key, one in merged.items())


def tracks_of(positions: Iterable[Position]) -> tuple[str, ...]:
    """Name the tracks of positions by first appearance; `liquid` where there are none."""
    return tuple(dict.fromkeys(one.track for one in positions)) or (LIQUID,)
