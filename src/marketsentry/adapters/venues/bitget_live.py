"""Bitget, classic account: spot, and USDT perpetuals in one-way mode.

What the venue does that one must know: orders can be looked up by client id, and a second one with
the same id is refused as a duplicate; a fee comes as a negative number, of a spot purchase in the asset that was
bought; fills of spot are told by product. In one-way mode an order has no `tradeSide`, and an account in hedge
mode refuses such orders (40774), so the mode is read before the first order. Leverage is read and never set:
changing it under an open position is a decision of its owner. The cancel-all timer of the exchange
(`/api/v3/trade/countdown-cancel-all`) is one of unified accounts; classic ones have none.
"""

from marketsentry.adapters.venues.bitget_account import BitgetLive
from marketsentry.adapters.venues.bitget_perpetual import BitgetPerpetual, Contracts
from marketsentry.adapters.venues.bitget_spot import BitgetSpot
from marketsentry.adapters.venues.venue_access import VenueAccess
from marketsentry.core.market.symbols import Market


def open_bitget(access: VenueAccess, market: Market, contracts: Contracts | None = None) -> "BitgetLive":
    """Make the adapter of one market; nothing is sent yet."""
    if market is Market.SPOT:
        return BitgetSpot(access)
    return BitgetPerpetual(access, contracts or Contracts())
