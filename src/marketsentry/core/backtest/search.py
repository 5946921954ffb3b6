"""Which parameter settings a sweep tries: a grid, random draws, or a Sobol sequence over ranges.

Settings are changes of `ReplayParams` by field name, and of the parameters of a policy as `policy.NAME`. What the
model fixes (the bars and the horizon) is not searched, and neither is the market.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import POLICY_PREFIX, ReplayParams
from marketsentry.exceptions import InputError

Value = float | int | bool | None

MAX_SETTINGS = 200_000
SEARCHED = tuple(
    field.name
    for field in dataclasses.fields(ReplayParams)
    if field.name not in ("periods_per_year", "horizon_bars", "market", "policy")
)
_WHOLE = ("latency_bars", "prediction_ttl_bars", "volatility_warmup_bars")


class Method(StrEnum):
    """How settings are chosen."""

    GRID = "grid"
    RANDOM = "random"
    SOBOL = "sobol"


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter of a search: the values of a grid, or the two ends of a range, low first."""

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        _check_name(self.name)


@dataclass(frozen=True, slots=True)
class Search:
    """A search: with a grid every combination of the values, else `n_draws` points within the ranges from `seed`."""

    method: Method
    axes: tuple[Axis, ...]
    n_draws: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        if not names:
            raise InputError("a sweep needs at least one parameter to vary, had none")
        if len(set(names)) < len(names):
            raise InputError(f"the parameters of a sweep must be named once each, were {', '.join(names)}")
        if not 1 <= self.n_settings <= MAX_SETTINGS:
            raise InputError(f"a sweep must have 1..{MAX_SETTINGS:,} settings, was {self.n_settings:,}")

    @property
    def n_settings(self) -> int:
        """How many settings are tried."""
        if self.method is Method.GRID:
            return math.prod(len(axis.values) for axis in self.axes)
        return self.n_draws


def settings_of(search: Search) -> list[dict[str, Value]]:
    """List the settings of a search in their fixed order.

    Parameters
    ----------
    search
        Grid, random or Sobol.

    Returns
    -------
    list of dict
        Value by parameter name. A grid varies its last axis fastest.
    """
    names = [axis.name for axis in search.axes]
    if search.method is Method.GRID:
        combined = itertools.product(*(axis.values for axis in search.axes))
        return [dict(zip(names, values, strict=True)) for values in combined]
    units = _sobol(search) if search.method is Method.SOBOL else _uniform(search)
    return [
        {axis.name: _within(axis, float(u)) for axis, u in zip(search.axes, row, strict=True)}
        for row in units
    ]


def parse_grid(text: str) -> Axis:
    """Read `name=1,2,5`; raises `InputError` for a name that is not searched or a value that is not of its kind."""
    name, values = _split(text, "NAME=VALUE,VALUE,...")
    parsed = tuple(_value(name, one) for one in values.split(","))
    if len(set(parsed)) < len(parsed):
        raise InputError(f"the values of {name} must differ, were {values}")
    return Axis(name, parsed)


def parse_range(text: str) -> Axis:
    """Read `name=low:high`; raises `InputError` unless both are finite numbers and low is below high."""
    name, ends = _split(text, "NAME=LOW:HIGH")
    parsed = [_value(name, one) for one in ends.split(":")]
    numbers = [one for one in parsed if one is not None and not isinstance(one, bool) and math.isfinite(one)]
    if len(parsed) != 2 or len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise InputError(f"the range of {name} must be LOW:HIGH with LOW < HIGH, was {ends!r}")
    return Axis(name, tuple(numbers))


def valid_sets(
    base: ReplayParams, settings: Iterable[Mapping[str, Value]]
) -> tuple[list[dict[str, Value]], list[ReplayParams]]:
    """Keep the settings that make parameters, such as an exit below its entry.

    Parameters
    ----------
    base
        Everything that is not varied.
    settings
        Changes by name.

    Returns
    -------
    tuple of list and list
        The settings kept, and the parameters of each.

    Raises
    ------
    InputError
        If a name is not searched, or no setting is left; with what was wrong with the last.
    """
    kept: list[dict[str, Value]] = []
    sets: list[ReplayParams] = []
    wrong: InputError | None = None
    for setting in settings:
        for name in setting:
            _check_name(name)
        try:
            sets.append(_changed(base, setting))
            kept.append(dict(setting))
        except InputError as error:
            wrong = error
    if not sets:
        raise InputError(f"no setting of the sweep is possible: {wrong}")
    return kept, sets


def places_of(search: Search, settings: Sequence[Mapping[str, Value]]) -> NDArray[np.float64]:
    """Place settings in the space that was searched.

    Parameters
    ----------
    search
        Where they are from.
    settings
        P of them.

    Returns
    -------
    ndarray of shape (P, n_axes)
        On a grid the index of each value; else the value's place in its range, 0..1.
    """
    columns = []
    for axis in search.axes:
        values = [setting[axis.name] for setting in settings]
        if search.method is Method.GRID:
            columns.append([float(axis.values.index(one)) for one in values])
        else:
            low, high = (float(end) for end in axis.values if end is not None)
            columns.append([(float(one or 0.0) - low) / (high - low) for one in values])
    return np.array(columns, dtype=np.float64).T


def _changed(base: ReplayParams, setting: Mapping[str, Value]) -> ReplayParams:
    own = {name: value for name, value in setting.items() if not name.startswith(POLICY_PREFIX)}
    of_policy = {
        name.removeprefix(POLICY_PREFIX): value
        for name, value in setting.items()
        if name.startswith(POLICY_PREFIX)
    }
    if of_policy:
        own["policy"] = {**(base.policy or {}), **of_policy}  # type: ignore[assignment]
    return dataclasses.replace(base, **own)  # type: ignore[arg-type]  # checked by its own rules


def _split(text: str, form: str) -> tuple[str, str]:
    name, equals, values = text.partition("=")
    name = name.strip()
    if not equals or not values:
        raise InputError(f"a parameter to vary must be given as {form}, was {text!r}")
    _check_name(name)
    return name, values


def _check_name(name: str) -> None:
    if name not in SEARCHED and not name.startswith(POLICY_PREFIX):
        raise InputError(
            f"a parameter to vary must be one of {', '.join(SEARCHED)}, or {POLICY_PREFIX}NAME; was {name!r}"
        )


def _value(name: str, text: str) -> Value:
    word = text.strip().lower()
    if name == "allow_short":
        if word not in ("true", "false"):
            raise InputError(f"allow_short must be true or false, was {text!r}")
        return word == "true"
    if name == "position_volatility_frac" and word == "none":
        return None
    try:
        number = float(word)
        if math.isnan(number):
            raise ValueError(word)
        return int(word) if name in _WHOLE else number
    except ValueError:
        kind = "a whole number" if name in _WHOLE else "a number"
        raise InputError(f"{name} must be {kind}, was {text!r}") from None


def _within(axis: Axis, u: float) -> Value:
    low, high = axis.values
    assert low is not None
    assert high is not None
    if axis.name in _WHOLE:
        return min(int(low) + int(u * (int(high) - int(low) + 1)), int(high))
    return float(low + u * (high - low))


def _uniform(search: Search) -> NDArray[np.float64]:
    return np.random.default_rng(search.seed).random((search.n_draws, len(search.axes)))


def _sobol(search: Search) -> NDArray[np.float64]:
    """Scrambled Sobol points; drawn up to the next power of two, as the sequence asks, and cut."""
    from scipy.stats import qmc  # half a second of import that only this method needs

    power = max(search.n_draws - 1, 0).bit_length()
    points: NDArray[np.float64] = qmc.Sobol(len(search.axes), rng=search.seed).random_base2(power)
    return points[: search.n_draws]
