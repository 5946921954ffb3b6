"""The built-in rule as a policy: the same function through the door that users' policies take.

A replay without a policy runs the rule inside its loop, which is quicker; both give the same bits.
"""

import functools

from numba import njit

from marketsentry.core.backtest.policy import PolicyParam, UserPolicy, compile_policy
from marketsentry.kernels.signal import score_to_weight

BUILTIN_PARAMS = (
    PolicyParam(
        "entry_edge_bps", 0.0, 0.0, 1e6, "prediction beyond the round-trip cost that opens a position"
    ),
    PolicyParam("exit_edge_bps", 0.0, -1e6, 1e6, "prediction at which an open position closes"),
    PolicyParam("cost_multiple", 1.0, 0.0, 1e3, "round-trip costs a prediction must promise to open"),
    PolicyParam(
        "full_conviction_sigmas",
        0.0,
        0.0,
        1e3,
        "prediction that is a full wish, in deviations over the horizon; 0: all are full",
    ),
)


@njit
def decide(view, params):  # type: ignore[no-untyped-def]
    """Open beyond entry edge and cost, stay until the exit edge, sized by conviction."""
    entry_bps = params.entry_edge_bps + params.cost_multiple * view.round_trip_cost_bps
    return score_to_weight(
        view.prediction,
        view.confidence,
        view.horizon_volatility,
        view.weight,
        1e-4 * entry_bps,
        1e-4 * params.exit_edge_bps,
        params.full_conviction_sigmas,
        True,
    )


@functools.cache
def builtin_policy() -> UserPolicy:
    """Compile the built-in rule as a policy, once per process."""
    return compile_policy("builtin", decide, BUILTIN_PARAMS)
