"""What a paper venue fills of a leg at one look at the market (K-14 to K-17).

Assumptions. A leg takes what the market gives when it arrives: at most a share of one bar's volume, at the middle of
the market plus half the spread and square-root impact, by the kernels of the backtest. It never pays more than its
limit: it takes only as much as keeps the impact within it. A leg that rests is filled like one that arrives once the
market comes within its limit. Orders do not see each other. Where no bar is known there is no volume to share and no
impact. Nothing is drawn at random: equal markets give equal fills.
"""

from dataclasses import dataclass
from decimal import Decimal

from marketsentry.core.orders.market_look import MarketLook
from marketsentry.core.orders.order import ZERO, TimeInForce
from marketsentry.core.orders.paper_leg import PaperLeg
from marketsentry.core.orders.product import whole_lots
from marketsentry.kernels.cost import impact_bps, quote
from marketsentry.kernels.fill import match

_BPS = 1e4
_PRICE_DIGITS = 12
_NO_BOUND = 1e6  # the impact is so small that the limit does not bind


@dataclass(frozen=True, slots=True)
class PaperCosts:
    """Costs of the paper market; the defaults are those of a backtest. `lot_size` zero takes any quantity."""

    half_spread_bps: float = 3.0
    impact_coefficient: float = 1.0
    participation_frac: float = 0.1
    lot_size: Decimal = Decimal("1e-8")
    charges_mid: bool = False


@dataclass(frozen=True, slots=True)
class Matched:
    """What is filled, at which price and for which fee; a quantity of zero is no fill.

    The fee counts on the notional at the price of the fill; with `charges_mid` at the middle of the market, as in a
    backtest.
    """

    qty: Decimal
    price: Decimal
    fee: Decimal


def match_leg(leg: PaperLeg, look: MarketLook, costs: PaperCosts) -> Matched:
    """Match a leg with the market.

    Parameters
    ----------
    leg
        What is wanted.
    look
        The market as it is.
    costs
        What taking from it costs.

    Returns
    -------
    Matched
        At most the quantity of the leg, never beyond its limit; nothing of a `FOK` leg that cannot be filled whole.
    """
    sign, mid = leg.side.sign, float(look.mid)
    room_bps = sign * (float(leg.limit_price) / mid - 1.0) * _BPS - costs.half_spread_bps
    if room_bps < -1e-9:
        return Matched(ZERO, look.mid, ZERO)
    wanted = float(leg.qty)
    most = _available(wanted, mid, look, costs, max(room_bps, 0.0))
    qty = leg.qty if most >= wanted else whole_lots(Decimal(repr(most)), costs.lot_size)
    if not qty or (leg.time_in_force is TimeInForce.FOK and qty < leg.qty):
        return Matched(ZERO, look.mid, ZERO)
    cost_bps = costs.half_spread_bps + _impact(float(qty), look, costs)
    price = Decimal(repr(round(mid * (1.0 + sign * cost_bps / _BPS), _PRICE_DIGITS)))
    within = min(price, leg.limit_price) if sign > 0 else max(price, leg.limit_price)
    charged = mid if costs.charges_mid else float(within)
    fee, _, _ = quote(float(qty) * charged, leg.fee_bps, 0.0, 0.0)
    return Matched(qty, within, Decimal(repr(fee)))


def _available(wanted: float, mid: float, look: MarketLook, costs: PaperCosts, room_bps: float) -> float:
    """Most that the volume and the limit allow; impact grows with the root of the quantity."""
    if look.volume is None:
        return wanted
    most = float(match(wanted, mid, look.volume, costs.participation_frac))
    whole_bps = costs.impact_coefficient * (look.volatility or 0.0) * _BPS
    if whole_bps > 0.0:
        share = min(room_bps / whole_bps, _NO_BOUND) ** 2
        most = min(most, look.volume * share)
    return most


def _impact(qty: float, look: MarketLook, costs: PaperCosts) -> float:
    if look.volume is None or not look.volatility:
        return 0.0
    return float(impact_bps(costs.impact_coefficient, look.volatility, qty / look.volume))
