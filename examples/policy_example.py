"""An example of your own policy: trade what pays for itself, size by conviction, stop losses, do not overstay.

Checked, backtested and swept like the built-in rule:

    ms check policy examples/policy_example.py
    ms backtest run --model panel:v1 --policy examples/policy_example.py --set policy.stop_frac=0.03
    ms backtest sweep --model panel:v1 --policy examples/policy_example.py --grid policy.stop_frac=0.1,1

`decide` sees one target at the close of one bar and answers a wish in -1..1, a share of the full size. Sizing, limits,
cost and fills come after it and cannot be passed. A wish that is not a number opens nothing.
"""

import numba

from marketsentry.core.backtest.policy import PolicyParam

PARAMS = (
    PolicyParam("cost_multiple", 1.0, 0.0, 10.0, "round-trip costs a prediction must promise to open"),
    PolicyParam("full_sigmas", 0.5, 0.01, 10.0, "prediction that is a full wish, in horizon deviations"),
    PolicyParam("stop_frac", 0.05, 0.001, 1.0, "loss of the position that closes it"),
    PolicyParam("max_held_bars", 48.0, 1.0, 1e6, "closes after which a position must earn its entry anew"),
    PolicyParam("calm_frac", 0.1, 0.0, 1.0, "drawdown of the account from which wishes are halved"),
)


@numba.njit
def decide(view, params):
    """Give the wanted weight before sizing: `view` is a `View`, `params` has the values of PARAMS."""
    entry_frac = 1e-4 * params.cost_multiple * view.round_trip_cost_bps
    if view.weight != 0.0 and view.gain_frac < -params.stop_frac:
        return 0.0
    agrees = view.prediction * view.weight > 0.0
    if abs(view.prediction) <= entry_frac and not (agrees and view.held_bars < params.max_held_bars):
        return 0.0
    if view.horizon_volatility == 0.0:  # not yet known
        return 0.0
    wish = min(1.0, max(-1.0, view.prediction / (params.full_sigmas * view.horizon_volatility)))
    return 0.5 * wish if view.drawdown_frac > params.calm_frac else wish
