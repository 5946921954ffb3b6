"""How the kernels of the decision core are compiled.

They allocate nothing and never raise. Without the runtime for allocation the compiler refuses a kernel that
would allocate, and leaves out the counting of references, which costs ten times the arithmetic of a bar
(ADR 0070). Division by zero gives NaN or infinity as in numpy, and there is no `fastmath`, so NaN stays NaN.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import cfunc, njit

_Function = TypeVar("_Function", bound=Callable[..., Any])  # Any: the kernel keeps its own signature


def kernel(function: _Function) -> _Function:
    """Compile on first use and keep the machine code on disk."""
    compiled: _Function = njit(cache=True, error_model="numpy", _nrt=False)(function)  # type: ignore[call-overload]
    return compiled


def unlocked(function: _Function) -> _Function:
    """Compile like `kernel`, and let other threads of Python run while it works: for what takes milliseconds."""
    options = {"cache": True, "error_model": "numpy", "_nrt": False, "nogil": True}
    compiled: _Function = njit(**options)(function)  # type: ignore[call-overload]
    return compiled


def interpreted(kernel: _Function) -> _Function:
    """Give a kernel as plain Python: for a single number where a first compilation must not be waited for."""
    plain: _Function = getattr(kernel, "py_func", kernel)
    return plain


def inlined(function: _Function) -> _Function:
    """Compile like `kernel`, always into its caller: for the steps of the loop over bars."""
    options = {"cache": True, "error_model": "numpy", "_nrt": False, "forceinline": True}
    compiled: _Function = njit(**options)(function)  # type: ignore[call-overload]
    return compiled


def uncached(function: Callable[..., Any], *, boundscheck: bool) -> Any:
    """Compile by the same rules, for this process alone: for code that is not the program's own."""
    options = {"error_model": "numpy", "_nrt": False, "boundscheck": boundscheck}
    return njit(**options)(function)  # type: ignore[call-overload]


def c_function(function: Callable[..., Any], signature: Any) -> Any:
    """Compile to a C function by the same rules; its machine code lives as long as what is returned."""
    options: Any = {"error_model": "numpy", "_nrt": False}
    return cfunc(signature, **options)(function)


def why_not(error: BaseException) -> str:
    """Say in one line why numba refused to compile: the first that is not about where it happened."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line and not line.startswith("Failed in")), "no reason given")
