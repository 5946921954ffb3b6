"""How the neighbourhood of the best setting behaves: a peak that stands alone was found by luck, more likely than not.

Neighbours on a grid are the settings one step away on one axis; in random and Sobol searches the `2 n_axes` nearest.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

PLATEAU_SHARE, ALONE_SHARE = 0.75, 0.5


class Shape(StrEnum):
    """What the best setting stands on."""

    PLATEAU = "plateau"
    SLOPE = "slope"
    ALONE = "peak_alone"
    NO_HILL = "no_hill"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Plateau:
    """The best setting, or the one looked at, among its neighbours.

    `neighbour_share` is the median of the neighbours over the best: 1.0 is flat ground. `above_zero_frac` is the
    share of neighbours above zero, `all_above_zero_frac` that of all settings. Without a neighbour that has a value
    the first two are None and the shape is unknown; a best at or below zero has no hill.
    """

    best: int
    value: float
    n_neighbours: int
    neighbour_median: float | None
    neighbour_share: float | None
    above_zero_frac: float | None
    all_above_zero_frac: float
    shape: Shape

    def document(self) -> dict[str, Any]:
        """Give everything as JSON values, the limits beside them."""
        names = self.__dataclass_fields__
        values = {name: getattr(self, name) for name in names}
        return {
            **values,
            "shape": self.shape.value,
            "plateau_share": PLATEAU_SHARE,
            "alone_share": ALONE_SHARE,
        }


def measure_plateau(
    values: NDArray[np.float64], places: NDArray[np.float64], *, is_grid: bool, at: int | None = None
) -> Plateau | None:
    """Look at the neighbours of the best setting, or of another.

    Parameters
    ----------
    values
        Shape (P,). What is maximised; NaN where it has no value.
    places
        Shape (P, n_axes). Grid indices, or places within the ranges.
    is_grid
        Which of the two.
    at
        The setting whose neighbours are looked at; the best if None.

    Returns
    -------
    Plateau or None
        None if no setting has a value, or the one looked at has none. Of equal bests the first.

    Raises
    ------
    InputError
        If the shapes do not fit.
    """
    if places.ndim != 2 or values.shape != places.shape[:1]:
        raise InputError(f"places must have shape ({values.size}, n_axes), was {places.shape}")
    known = np.isfinite(values)
    if not known.any() or (at is not None and not known[at]):
        return None
    best = at if at is not None else int(np.nanargmax(np.where(known, values, np.nan)))
    near = _neighbours(places, best, is_grid=is_grid)
    near = near[known[near]]
    value = float(values[best])
    median = float(np.median(values[near])) if near.size else None
    share = median / value if median is not None and value > 0 else None
    return Plateau(
        best=best,
        value=value,
        n_neighbours=int(near.size),
        neighbour_median=median,
        neighbour_share=share,
        above_zero_frac=float(np.mean(values[near] > 0)) if near.size else None,
        all_above_zero_frac=float(np.mean(values[known] > 0)),
        shape=_shape(value, share),
    )


def _shape(value: float, share: float | None) -> Shape:
    if not value > 0:
        return Shape.NO_HILL
    if share is None:
        return Shape.UNKNOWN
    return Shape.PLATEAU if share >= PLATEAU_SHARE else Shape.SLOPE if share >= ALONE_SHARE else Shape.ALONE


def _neighbours(places: NDArray[np.float64], best: int, *, is_grid: bool) -> NDArray[np.int64]:
    apart = places - places[best]
    if is_grid:
        return np.flatnonzero(np.abs(apart).sum(axis=1) == 1.0)
    order = np.argsort((apart**2).sum(axis=1), kind="stable")
    nearest: NDArray[np.int64] = order[order != best][: 2 * places.shape[1]]
    return nearest
