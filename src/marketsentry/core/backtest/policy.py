"""The seam for policies: a compiled decision "what is seen of one target at one bar -> wanted weight".

A policy is a function ``decide(view, params)`` compiled with numba. `view` is a `View`: nothing else reaches a
policy, so it cannot see the future. `params` has the declared parameters as attributes. The answer is a wish in
-1..1, a share of the full size, and is clipped to that. After it come sizing, caps, risk, cost and fills as always.

It fails closed. Only a usable prediction is decided on; an answer that is not a finite number, or an exception,
counts as no prediction: nothing opens, and the position is kept for `prediction_ttl_bars` and then closed. A
negative answer is a wish for nothing where `allow_short` is off.
"""

import ctypes
import keyword
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from marketsentry.exceptions import InputError
from marketsentry.kernels import policy as kernel
from marketsentry.kernels.compiling import why_not
from marketsentry.kernels.policy import View

if TYPE_CHECKING:
    from marketsentry.core.backtest.params import ReplayParams

__all__ = ["PolicyParam", "UserPolicy", "View", "bind_policy", "compile_policy"]


@dataclass(frozen=True, slots=True)
class PolicyParam:
    """One parameter of a policy: its default, the least and the largest value that make sense, and what it means."""

    name: str
    default: float
    low: float
    high: float
    definition: str

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name.startswith("_") or keyword.iskeyword(self.name):
            raise InputError(f"a policy parameter must have a Python name, was {self.name!r}")
        if not self.definition.strip():
            raise InputError(f"policy parameter {self.name} must say what it means, its definition was empty")
        if not -math.inf < self.low <= self.high < math.inf:
            raise InputError(
                f"policy parameter {self.name} must have finite low <= high, was {self.low}, {self.high}"
            )
        self.check(self.default)

    def check(self, value: float) -> float:
        """Give the value as a float; raises `InputError` when it lies outside the bounds."""
        if not self.low <= value <= self.high:
            raise InputError(
                f"policy parameter {self.name} must be in {self.low:g}..{self.high:g}, was {value}"
            )
        return float(value)


@dataclass(frozen=True, slots=True)
class UserPolicy:
    """A compiled policy. `function` holds the machine code whose address the loops are given."""

    name: str
    params: tuple[PolicyParam, ...]
    function: Any  # a C function of numba, which has no types

    def values(self, changes: Mapping[str, float] | None = None) -> dict[str, float]:
        """Give every parameter its value.

        Parameters
        ----------
        changes
            Values other than the defaults, by name.

        Returns
        -------
        dict of float
            In the order declared.

        Raises
        ------
        InputError
            If a name is not declared or a value lies outside its bounds.
        """
        given = changes or {}
        names = [one.name for one in self.params]
        unknown = sorted(given.keys() - set(names))
        if unknown:
            raise InputError(
                f"policy {self.name} has no parameter {unknown[0]!r}; it has {', '.join(names) or 'none'}"
            )
        return {one.name: one.check(given.get(one.name, one.default)) for one in self.params}

    def bind(self, changes: Mapping[str, float] | None = None) -> kernel.Policy:
        """Lay the policy out with its parameters as the loops take it; checks them as `values` does."""
        return kernel.Policy(
            int(self.function.address), np.array(list(self.values(changes).values()), dtype=np.float64)
        )

    def ask(self, view: View, changes: Mapping[str, float] | None = None) -> float:
        """Ask the machine code that the loops call: its answer as it is, NaN for an exception."""
        rows = np.array(view, dtype=np.float64), self.bind(changes).params
        pointers = (row.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for row in rows)
        return float(self.function.ctypes(*pointers))


def compile_policy(name: str, decide: Any, params: Sequence[PolicyParam]) -> UserPolicy:
    """Compile a decision function for the loops.

    Parameters
    ----------
    name
        Shown to people.
    decide
        ``decide(view, params) -> float`` under `numba.njit`. It is compiled anew by the rules of the kernels, whatever
        options it was given: it may not allocate, and division by zero gives NaN or infinity.
    params
        Its parameters, in the order of the attributes of `params`.

    Returns
    -------
    UserPolicy

    Raises
    ------
    InputError
        If `decide` is not compiled with numba, does not compile by these rules, or a parameter is declared twice.
    """
    if not hasattr(decide, "py_func"):
        raise InputError(f"decide of policy {name} must be compiled: decorate it with numba.njit")
    names = [one.name for one in params]
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise InputError(f"policy {name} must declare each parameter once, declares {twice[0]!r} twice")
    params_type = NamedTuple("Params", [(one, float) for one in names])  # type: ignore[misc]  # names are data
    try:
        function = kernel.make_entry(decide, params_type)
    except Exception as error:
        raise InputError(f"decide of policy {name} does not compile: {why_not(error)}") from error
    return UserPolicy(name, tuple(params), function)


def bind_policy(policy: UserPolicy | None, params: "ReplayParams") -> kernel.Policy | None:
    """Bind the policy of a replay to the values in its parameters; None is the built-in rule.

    Parameters
    ----------
    policy
        Decides, or None.
    params
        Of the replay; `params.policy` has values by name.

    Returns
    -------
    Policy or None
        As the loops take it; valid for as long as `policy` lives.

    Raises
    ------
    InputError
        If there are values without a policy, or they are not those of this policy.
    """
    if policy is None:
        if params.policy is not None:
            raise InputError("the parameters are those of a policy, and no policy was given")
        return None
    return policy.bind(params.policy)
