"""How money is rounded where it has more digits than fit: in one way, whatever a library or a plugin has set."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MONEY = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])


def in_money(figure: Callable[P, T]) -> Callable[P, T]:
    """Let a function reckon with 28 digits, the last rounded half to even: equal inputs give equal digits anywhere."""

    @wraps(figure)
    def rounded(*args: P.args, **kwargs: P.kwargs) -> T:
        with localcontext(MONEY):
            return figure(*args, **kwargs)

    return rounded
