"""How the kernels of the decision core are compiled.

They allocate nothing and never raise. Without the runtime for allocation the compiler refuses a kernel that
would allocate, and leaves out the counting of references, which costs ten times the arithmetic of a bar
(ADR 0070). Division by zero gives NaN or infinity as in numpy, and there is no `fastmath`, so NaN stays NaN.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])  # Any: the kernel keeps its own signature


def kernel(function: _Function) -> _Function:
    """Compile on first use and keep the machine code on disk."""
    compiled: _Function = njit(cache=True, error_model="numpy", _nrt=False)(function)  # type: ignore[call-overload]
    return compiled


def inlined(function: _Function) -> _Function:
    """Compile like `kernel`, always into its caller: for the steps of the loop over bars."""
    options = {"cache": True, "error_model": "numpy", "_nrt": False, "forceinline": True}
    compiled: _Function = njit(**options)(function)  # type: ignore[call-overload]
    return compiled
