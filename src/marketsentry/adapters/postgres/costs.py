"""Own costs in PostgreSQL: what filled orders cost, and the fits, which are only ever added to."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.portfolio.own_costs import FittedCosts
from marketsentry.ports.accounts import DRILL, PARITY
from marketsentry.ports.costs import CostFit, OwnOrder, PaidCost, TradedMarket

_PLAYED = {"parity": f"{PARITY}%", "drill": f"{DRILL}%"}

_TRADED = """
SELECT orders_sim.adapter, orders_sim.target AS symbol, max(fills.filled_at) AS last_fill_at
FROM fills
JOIN orders_sim ON orders_sim.id = fills.order_id
WHERE orders_sim.venue NOT LIKE %(parity)s AND orders_sim.venue NOT LIKE %(drill)s
GROUP BY 1, 2
ORDER BY 1, 2
"""

_COST = """
       sum(qty * price)::float8 AS notional_quote,
       (CASE orders_sim.side WHEN 'buy' THEN 1 ELSE -1 END
           * 10000 * (sum(qty * price) / sum(qty * coalesce(reference_price, est_price)) - 1))::float8 AS slippage_bps,
       (10000 * sum(fee_quote) / sum(qty * price))::float8 AS fee_bps, max(filled_at) AS filled_at
FROM orders_sim
JOIN fills ON fills.order_id = orders_sim.id
"""

_OF_ORDER = (
    "SELECT bool_and(coalesce(reference_price, est_price) IS NOT NULL) AS is_priced,"
    + _COST
    + "WHERE orders_sim.id = %(order_id)s GROUP BY orders_sim.id, orders_sim.side"
)

_OWN_ORDERS = (
    "SELECT orders_sim.id,"
    + _COST
    + """
WHERE orders_sim.adapter = %(adapter)s AND orders_sim.target = %(symbol)s
  AND orders_sim.venue NOT LIKE %(parity)s AND orders_sim.venue NOT LIKE %(drill)s
  AND coalesce(reference_price, est_price) IS NOT NULL
GROUP BY orders_sim.id, orders_sim.side
ORDER BY orders_sim.id DESC
LIMIT %(limit)s
"""
)

_ADD = """
INSERT INTO cost_fits (adapter, symbol, n_orders, first_fill_at, last_fill_at, half_spread_bps, impact_coefficient,
                       fee_bps, own_share, spread_of_errors_bps, prior, fitted_at)
VALUES (%(adapter)s, %(symbol)s, %(n_orders)s, %(first_fill_at)s, %(last_fill_at)s, %(half_spread_bps)s,
        %(impact_coefficient)s, %(fee_bps)s, %(own_share)s, %(spread_of_errors_bps)s, %(prior)s, %(fitted_at)s)
"""

_NEWEST = """
SELECT DISTINCT ON (adapter, symbol) adapter, symbol, n_orders, first_fill_at, last_fill_at, half_spread_bps,
       impact_coefficient, fee_bps, own_share, spread_of_errors_bps, prior ->> 'name' AS prior, fitted_at
FROM cost_fits
WHERE (%(adapter)s::text IS NULL OR adapter = %(adapter)s)
  AND (%(symbols)s::text[] IS NULL OR symbol = ANY(%(symbols)s::text[]))
ORDER BY adapter, symbol, fitted_at DESC, id DESC
"""


class PostgresCostStore:
    """`CostStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def traded(self) -> Sequence[TradedMarket]:
        """List what was traded; see `CostStore.traded`."""
        return [TradedMarket(*row) for row in await self._statements.tuples(_TRADED, _PLAYED)]

    async def own_orders(self, adapter: str, symbol: str, *, limit: int) -> Sequence[OwnOrder]:
        """Read filled orders; see `CostStore.own_orders`."""
        given = {"adapter": adapter, "symbol": symbol, "limit": limit, **_PLAYED}
        return [OwnOrder(*row) for row in await self._statements.tuples(_OWN_ORDERS, given)]

    async def of_order(self, order_id: int) -> PaidCost | None:
        """Tell what an order cost; see `CostStore.of_order`."""
        row = await self._statements.row(_OF_ORDER, {"order_id": order_id})
        if row is None:
            return None
        return PaidCost(row["slippage_bps"] if row["is_priced"] else None, row["fee_bps"])

    async def add(self, fit: CostFit) -> None:
        """Keep a fit; see `CostStore.add`."""
        costs = fit.costs
        await self._statements.send(
            _ADD,
            {
                "adapter": fit.adapter,
                "symbol": fit.symbol,
                "n_orders": costs.n_orders,
                "first_fill_at": fit.first_fill_at,
                "last_fill_at": fit.last_fill_at,
                "half_spread_bps": costs.half_spread_bps,
                "impact_coefficient": costs.impact_coefficient,
                "fee_bps": costs.fee_bps,
                "own_share": costs.own_share,
                "spread_of_errors_bps": costs.spread_of_errors_bps,
                "prior": Jsonb({"name": fit.prior}),
                "fitted_at": fit.fitted_at,
            },
        )

    async def newest(self, adapter: str, symbols: Sequence[str]) -> Mapping[str, CostFit]:
        """Read the newest fit of each symbol; see `CostStore.newest`."""
        found = await self._newest({"adapter": adapter, "symbols": list(symbols)})
        return {fit.symbol: fit for fit in found}

    async def all_newest(self) -> Sequence[CostFit]:
        """Read the newest fit of everything; see `CostStore.all_newest`."""
        return await self._newest({"adapter": None, "symbols": None})

    async def _newest(self, given: Mapping[str, Any]) -> list[CostFit]:
        return [_fit(row) for row in await self._statements.rows(_NEWEST, given)]


def _fit(row: Mapping[str, Any]) -> CostFit:
    costs = FittedCosts(
        fee_bps=row["fee_bps"],
        half_spread_bps=row["half_spread_bps"],
        impact_coefficient=row["impact_coefficient"],
        n_orders=row["n_orders"],
        own_share=row["own_share"],
        spread_of_errors_bps=row["spread_of_errors_bps"],
    )
    return CostFit(
        adapter=row["adapter"],
        symbol=row["symbol"],
        costs=costs,
        prior=row["prior"],
        first_fill_at=row["first_fill_at"],
        last_fill_at=row["last_fill_at"],
        fitted_at=row["fitted_at"],
    )
