"""What an order is expected to cost: by the fit of own fills where there is one, else by the prior; it says which."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import CLOSE, VOLUME
from marketsentry.core.market.timestamps import datetime_to_ns, utc_text
from marketsentry.core.portfolio.profiles import CostProfile, cost_profile
from marketsentry.core.portfolio.trade_cost import (
    CostBasis,
    CostEstimate,
    Liquidity,
    estimate_cost,
    measure_liquidity,
)
from marketsentry.ports import Stores
from marketsentry.ports.costs import CostFit
from marketsentry.services.target_markets import read_markets

PRIOR = "standard"
EXPECTED_COST = "expected_cost"
"""Under this key of its metadata an order keeps what its estimate rests on."""
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class CostBook:
    """Fits of one adapter by symbol, and how each symbol trades; what is missing falls back to the prior."""

    fits: Mapping[str, CostFit] = field(default_factory=dict)
    liquidity: Mapping[str, Liquidity] = field(default_factory=dict)

    def estimate(self, symbol: str, notional_quote: Decimal | None) -> CostEstimate:
        """Estimate what an order costs; without a notional its impact is not known."""
        fit = self.fits.get(symbol)
        profile = cost_profile(PRIOR) if fit is None else fit.costs.profile(PRIOR)
        basis = CostBasis.PRIOR if fit is None else CostBasis.OWN_FILLS
        liquidity = None if notional_quote is None else self.liquidity.get(symbol)
        return estimate_cost(float(notional_quote or 0), profile, liquidity, basis=basis)

    def profile(self, symbol: str) -> CostProfile | None:
        """Give the fit of a symbol as a profile; None where there is none."""
        fit = self.fits.get(symbol)
        return None if fit is None else fit.costs.profile(PRIOR)

    def document(self, symbol: str, estimate: CostEstimate) -> dict[str, Any]:
        """Spell an estimate with what it rests on."""
        told: dict[str, Any] = {
            "fee_bps": estimate.fee_bps,
            "half_spread_bps": estimate.half_spread_bps,
            "impact_bps": estimate.impact_bps,
            "basis": str(estimate.basis),
        }
        fit = self.fits.get(symbol)
        if fit is not None and estimate.basis is CostBasis.OWN_FILLS:
            told |= {
                "n_orders": fit.costs.n_orders,
                "own_share": fit.costs.own_share,
                "fitted_at": utc_text(datetime_to_ns(fit.fitted_at)),
            }
        return told


def rounded_bps(estimate: CostEstimate) -> Decimal:
    """Give the whole estimate as it is stored with an order."""
    return Decimal(repr(round(estimate.total_bps, _DIGITS)))


def expected_cost(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find in the metadata of an order what its estimate rests on; a rebalance keeps it as `cost`."""
    planned = metadata.get("cost")
    is_estimate = isinstance(planned, Mapping) and "basis" in planned
    found = metadata.get(EXPECTED_COST, planned if is_estimate else None)
    return None if found is None else dict(found)


async def read_costs(
    stores: Stores, targets: Sequence[tuple[str, str]], *, adapter: str, as_of_ns: int
) -> CostBook:
    """Read what estimates need.

    Parameters
    ----------
    stores
        Of an open transaction.
    targets
        Track and target.
    adapter
        Whose fills count.
    as_of_ns
        Nothing known later is read of the markets, UTC epoch ns.

    Returns
    -------
    CostBook
    """
    markets = await read_markets(stores, targets, as_of_ns=as_of_ns)
    measured = {key[1]: measure_liquidity(one.close, one.volume) for key, one in markets.items()}
    liquidity = {symbol: one for symbol, one in measured.items() if one is not None}
    return CostBook(await stores.costs.newest(adapter, [target for _, target in targets]), liquidity)


def liquidity_at_close(
    symbols: Sequence[str], bars: NDArray[np.float64], volatility: NDArray[np.float64]
) -> Mapping[str, Liquidity]:
    """Tell how symbols trade where the markets are at hand.

    Parameters
    ----------
    symbols
        The N targets, in the order of the arrays.
    bars
        The bar that closed, (N, 5).
    volatility
        Deviation of a bar's return as a fraction, (N,).

    Returns
    -------
    mapping of str to Liquidity
        Without what did not trade in the bar.
    """
    traded = (bars[:, CLOSE] * bars[:, VOLUME]).tolist()
    return {
        symbol: Liquidity(deviation, volume)
        for symbol, deviation, volume in zip(symbols, volatility.tolist(), traded, strict=True)
        if 0.0 <= deviation < math.inf and 0.0 < volume < math.inf
    }
