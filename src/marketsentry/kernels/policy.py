"""A user's policy inside the loop over bars: what it sees, and the one call to its compiled code.

The loops are compiled once, for every policy: a policy is a C function, and the loop is handed its address (ADR
0120). Its answer is a wish, not an order. Sizing, limits, cost and fills follow as for the built-in rule.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from marketsentry.kernels.account import AVG_PRICE, EQUITY, HELD_BARS, MARK_PRICE, PEAK, QTY, TARGET_QTY
from marketsentry.kernels.compiling import c_function, inlined, uncached


class View(NamedTuple):
    """What a policy sees of one target at the close of one bar. All are floats; none is NaN.

    prediction: expected gross return over the horizon, as a fraction.
    confidence: 0..1 beside it; 1 where the model gives none.
    volatility: deviation of the returns per bar, as a fraction; 0 while unknown.
    horizon_volatility: the same over the horizon of the prediction.
    weight: signed weight the position has, once all that is on order is filled, at this close.
    held_bars: closes since this side was decided, this one included; 0 without a position.
    gain_frac: signed return of the filled position on its average price, which has slippage and impact in it but no
        fee; 0 without one.
    drawdown_frac: fall of the account's equity below its peak.
    round_trip_cost_bps: two fees and two half-spreads; impact is not in it.
    """

    prediction: float
    confidence: float
    volatility: float
    horizon_volatility: float
    weight: float
    held_bars: float
    gain_frac: float
    drawdown_frac: float
    round_trip_cost_bps: float


class Policy(NamedTuple):
    """A compiled policy as the loops take it: the address of its C function, and its parameters (n_params,)."""

    address: int
    params: np.ndarray


def _type_call(typing_context: Any, address: Any, view: Any, params: Any) -> Any:
    """Call the C function at `address` with the fields of `view`, laid out on the stack, and the data of `params`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, seen, row = arguments
        numbers = ir.DoubleType().as_pointer()
        function = ir.FunctionType(ir.DoubleType(), [numbers, numbers])
        fields = builder.bitcast(cgutils.alloca_once_value(builder, seen), numbers)
        data = cgutils.create_struct_proxy(signature.args[2])(context, builder, value=row).data
        return builder.call(builder.inttoptr(at, function.as_pointer()), [fields, data])

    return types.float64(types.int64, view, params), generate


_call: Any = intrinsic(_type_call)


@inlined
def count_held(n: int, book: np.ndarray) -> None:
    """Count one more close for target `n`, from 1 again after a change of side; the count carries the side's sign."""
    goal, held = book[n, TARGET_QTY], book[n, HELD_BARS]
    if goal == 0.0:
        book[n, HELD_BARS] = 0.0
    else:
        book[n, HELD_BARS] = np.copysign(abs(held) + 1.0 if held * goal > 0.0 else 1.0, goal)


@inlined
def ask(
    n: int,
    policy: Policy,
    prediction: float,
    confidence: float,
    volatility: float,
    horizon_root: float,
    weight: float,
    round_trip_cost_bps: float,
    book: np.ndarray,
    account: np.ndarray,
) -> float:
    """Ask the policy about target `n`: its answer clipped to -1..1, or NaN if that is not a finite number."""
    gain = 0.0
    if book[n, QTY] != 0.0:
        gain = np.copysign(1.0, book[n, QTY]) * (book[n, MARK_PRICE] / book[n, AVG_PRICE] - 1.0)
    view = View(
        prediction,
        confidence,
        volatility,
        volatility * horizon_root,
        weight,
        abs(book[n, HELD_BARS]),
        gain,
        1.0 - account[EQUITY] / account[PEAK],
        round_trip_cost_bps,
    )
    answer: float = _call(policy.address, view, policy.params)
    return min(1.0, max(-1.0, answer)) if np.isfinite(answer) else np.nan


def make_entry(decide: Any, params_type: Any) -> Any:  # numba functions have no type
    """Compile ``decide(view, params)`` to a C function of two rows: the fields of `View`, and the parameters.

    It allocates nothing, divides as numpy does and checks its indices. An exception counts as the answer NaN.
    """
    inner = uncached(decide.py_func, boundscheck=True)
    read_view, read_params = _make_reader(View), _make_reader(params_type)

    def entry(view, params):
        try:
            return float(inner(read_view(view), read_params(params)))
        except Exception:  # noqa: BLE001 - the user's code may raise anything
            return np.nan

    numbers = types.CPointer(types.float64)
    return c_function(entry, types.float64(numbers, numbers))


def _make_reader(row_type: Any) -> Any:
    """Make the function that reads a named tuple of floats from a pointer to as many."""
    n_fields = len(row_type._fields)

    def type_read(typing_context: Any, pointer: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            at = [builder.gep(arguments[0], [ir.IntType(32)(i)]) for i in range(n_fields)]
            return context.make_tuple(builder, signature.return_type, [builder.load(one) for one in at])

        return types.BaseTuple.from_types([types.float64] * n_fields, row_type)(pointer), generate

    return intrinsic(type_read)
