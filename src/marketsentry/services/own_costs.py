"""Fit what own fills cost, and keep the fits; estimates of orders rest on the newest (K-30).

A fit is of one adapter and symbol: paper fills say nothing of what a live venue takes. Drills and replays of backtests
are not own trading.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from marketsentry.core.market.timestamps import datetime_to_ns, utc_text
from marketsentry.core.portfolio.own_costs import OrderCost, fit_costs
from marketsentry.core.portfolio.profiles import cost_profile
from marketsentry.core.portfolio.trade_cost import (
    Liquidity,
    measure_liquidity,
    unit_impact_bps,
)
from marketsentry.core.risk.positions import LIQUID
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.costs import CostFit, OwnOrder, TradedMarket
from marketsentry.ports.risk import Severity
from marketsentry.services.expected_costs import PRIOR
from marketsentry.services.passes import keep_passing
from marketsentry.services.target_markets import read_markets

MAX_ORDERS = 200
EVERY_S = 3_600.0
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CostWatch:
    """Fits what own fills cost, at the start and once an hour; make one per process that executes.

    Parameters
    ----------
    transactions
        The record.
    clock
        Dates the fits.
    """

    transactions: Transactions
    clock: Clock

    async def run(self, stop: asyncio.Event) -> None:
        """Fit now and again until `stop` is set."""
        await keep_passing(
            self._fit,
            name="cost_fit",
            every_s=EVERY_S,
            stop=stop,
            transactions=self.transactions,
            severity=Severity.WARNING,
        )

    async def _fit(self) -> None:
        made = await fit_own_costs(transactions=self.transactions, clock=self.clock)
        if made:
            log.info("costs_fitted", markets=[f"{one.adapter} {one.symbol}" for one in made])


async def fit_own_costs(*, transactions: Transactions, clock: Clock) -> Sequence[CostFit]:
    """Fit every adapter and symbol that was filled since its last fit, and keep the fits.

    Parameters
    ----------
    transactions
        The record; each symbol is read and written in transactions of its own.
    clock
        Dates the fits.

    Returns
    -------
    sequence of CostFit
        The new ones.
    """
    async with transactions() as stores:
        traded = await stores.costs.traded()
        before = {(fit.adapter, fit.symbol): fit for fit in await stores.costs.all_newest()}
    made = []
    for one in traded:
        known = before.get((one.adapter, one.symbol))
        if known is not None and known.last_fill_at >= one.last_fill_at:
            continue
        fit = await _fit(one, transactions, clock)
        if fit is not None:
            async with transactions() as stores:
                await stores.costs.add(fit)
            made.append(fit)
    return made


def costs_document(fits: Sequence[CostFit]) -> dict[str, Any]:
    """Spell fits, and the prior that holds where there is none."""
    prior = cost_profile(PRIOR)
    return {
        "prior": {
            "name": prior.name,
            "fee_bps": prior.fee_bps,
            "half_spread_bps": prior.half_spread_bps,
            "impact_coefficient": prior.impact_coefficient,
        },
        "fits": [
            {
                "adapter": fit.adapter,
                "symbol": fit.symbol,
                **asdict(fit.costs),
                "prior": fit.prior,
                "first_fill_at": utc_text(datetime_to_ns(fit.first_fill_at)),
                "last_fill_at": utc_text(datetime_to_ns(fit.last_fill_at)),
                "fitted_at": utc_text(datetime_to_ns(fit.fitted_at)),
            }
            for fit in fits
        ],
    }


async def _fit(market: TradedMarket, transactions: Transactions, clock: Clock) -> CostFit | None:
    async with transactions() as stores:
        orders = await stores.costs.own_orders(market.adapter, market.symbol, limit=MAX_ORDERS)
        liquid = [await _liquidity(stores, market.symbol, one) for one in orders]
    if not orders:
        return None
    known = [*zip(orders, liquid, strict=True)]
    if any(liquid):  # where the sizes of some can be told the others say nothing of size
        known = [(order, at) for order, at in known if at is not None]
    costs = [
        OrderCost(
            0.0 if at is None else unit_impact_bps(order.notional_quote, at),
            order.slippage_bps,
            order.fee_bps,
        )
        for order, at in known
    ]
    times = [order.filled_at for order, _ in known]
    return CostFit(
        adapter=market.adapter,
        symbol=market.symbol,
        costs=await asyncio.to_thread(fit_costs, costs, cost_profile(PRIOR)),
        prior=PRIOR,
        first_fill_at=min(times),
        last_fill_at=max(*times, market.last_fill_at),
        fitted_at=clock.now(),
    )


async def _liquidity(stores: Stores, symbol: str, order: OwnOrder) -> Liquidity | None:
    """Measure how a symbol traded before an order, from the same bars as its estimate would."""
    key = LIQUID, symbol
    found = await read_markets(stores, [key], as_of_ns=datetime_to_ns(order.filled_at))
    return measure_liquidity(found[key].close, found[key].volume) if key in found else None
