"""Read a panel and what stands beside it from the record, as of one instant."""

from collections.abc import Mapping, Sequence
from typing import Any

from marketsentry.core.features.context import ContextInputs, known_funding
from marketsentry.core.market.bars import BarPanel, align_panel
from marketsentry.core.market.events import EventSeries
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import FundingSeries
from marketsentry.core.market.symbols import perp_of
from marketsentry.ports import Stores


async def load_market(
    stores: Stores,
    symbols: Sequence[str],
    interval: Interval,
    *,
    start_ns: int | None = None,
    stop_ns: int | None = None,
    as_of_ns: int | None = None,
) -> tuple[BarPanel, ContextInputs]:
    """Read bars, funding and events of several symbols.

    Parameters
    ----------
    stores : Stores
        The open transaction.
    symbols : sequence of str
        Canonical symbols, in the order of the panel.
    interval : Interval
        Bar length.
    start_ns : int, optional
        First open time of a bar, UTC epoch ns. Context is read from the beginning.
    stop_ns : int, optional
        Bars open before it.
    as_of_ns : int, optional
        Nothing known later is read.

    Returns
    -------
    tuple of BarPanel and ContextInputs
        A spot symbol takes the funding of its perpetual, and none if there are no rates. A symbol that no
        event names has an empty series of events.

    Raises
    ------
    NotFoundError
        If a series is not in the record.
    """
    span: dict[str, Any] = {"start_ns": start_ns, "stop_ns": stop_ns}
    series = [await stores.bars.load(symbol, interval, **span, as_of_ns=as_of_ns) for symbol in symbols]
    no_trade = [await stores.bars.load_no_trade(symbol, interval, **span) for symbol in symbols]
    return align_panel(series, no_trade_ts_ns=no_trade), await load_context(
        stores, symbols, as_of_ns=as_of_ns
    )


async def load_context(
    stores: Stores, symbols: Sequence[str], *, as_of_ns: int | None = None
) -> ContextInputs:
    """Read what stands beside the bars of several symbols, from the beginning; see `load_market`."""
    events = {symbol: await stores.events.load_events(symbol, as_of_ns=as_of_ns) for symbol in symbols}
    funding = {
        symbol: await stores.events.load_funding(perp_of(symbol), as_of_ns=as_of_ns) for symbol in symbols
    }
    return context_inputs(funding, events)


def context_inputs(funding: Mapping[str, FundingSeries], events: Mapping[str, EventSeries]) -> ContextInputs:
    """Put by symbol of the panel what was read; a symbol without rates has no funding."""
    return ContextInputs(
        funding={symbol: known_funding(one) for symbol, one in funding.items() if one.ts_ns.size},
        events=events,
    )
