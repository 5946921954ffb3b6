"""Making a synthetic market and storing it, always labelled as what it is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from marketsentry.core.market.events import Event, Mention
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import FundingSeries
from marketsentry.core.market.symbols import check_symbol
from marketsentry.core.market.synthetic import (
    DEFAULT_START_NS,
    GENERATOR_VERSION,
    SyntheticMarket,
    make_market,
)
from marketsentry.core.market.synthetic_news import SyntheticEvent
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.ports import Clock, Stores, Transactions


@dataclass(frozen=True, slots=True)
class SynthRequest:
    """Which market to make; see `make_market`."""

    seed: int
    symbols: tuple[str, ...]
    interval: Interval
    n_bars: int
    start_ns: int = DEFAULT_START_NS
    signal_strength: float = 1.0

    @property
    def stop_ns(self) -> int:
        """Close of the last bar."""
        return self.start_ns + self.n_bars * self.interval.ns

    @property
    def recipe(self) -> str:
        """What the market is made of, without its length: a longer market begins with the shorter one."""
        start = ns_to_datetime(self.start_ns).isoformat()
        return (
            f"seed={self.seed} interval={self.interval} start={start} "
            f"signal_strength={self.signal_strength:g} generator={GENERATOR_VERSION}"
        )


class SynthOutcome(StrEnum):
    """What became of one symbol."""

    MADE = "made"
    EXTENDED = "extended"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class SynthSeries:
    """One symbol of the market: what became of it, and how many rows were handed to the record."""

    symbol: str
    outcome: SynthOutcome
    n_bars: int
    n_events: int
    n_funding: int


@dataclass(frozen=True, slots=True)
class SynthReport:
    """What was made, with the recipe that makes it again."""

    recipe: str
    interval: str
    n_bars: int
    series: tuple[SynthSeries, ...]


async def synthesise(
    request: SynthRequest,
    *,
    transactions: Transactions,
    clock: Clock,
    replace: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> SynthReport:
    """Make a market and store it: all symbols or none.

    The same request again changes nothing; a longer one extends.

    Parameters
    ----------
    request
        Which market.
    transactions
        The record.
    clock
        Tells the present: no bar may close after it.
    replace
        Delete a synthetic market of another recipe first. Recorded data is never deleted.
    on_progress
        Called with the symbol that is being stored.

    Returns
    -------
    SynthReport
        Per symbol, what became of it; zeros where nothing had to be written.

    Raises
    ------
    InputError
        If an argument is out of bounds or the market would end in the future.
    ConflictError
        If a symbol has recorded data, or a synthetic market of another recipe and `replace` is not set.
    """
    for symbol in request.symbols:
        check_symbol(symbol)
    now_ns = datetime_to_ns(clock.now())
    if request.stop_ns > now_ns:
        end = ns_to_datetime(request.stop_ns).isoformat()
        raise InputError(f"a synthetic market must not end in the future, would end at {end}")
    async with transactions() as stores:
        outcomes = {symbol: await _outcome(symbol, request, replace, stores) for symbol in request.symbols}
    if set(outcomes.values()) == {SynthOutcome.UNCHANGED}:
        unchanged = [SynthSeries(symbol, SynthOutcome.UNCHANGED, 0, 0, 0) for symbol in request.symbols]
        return SynthReport(request.recipe, request.interval.name, request.n_bars, tuple(unchanged))
    market = make_market(
        seed=request.seed,
        symbols=request.symbols,
        interval=request.interval,
        n_bars=request.n_bars,
        start_ns=request.start_ns,
        signal_strength=request.signal_strength,
    )
    async with transactions() as stores:
        stored = []
        for position, symbol in enumerate(request.symbols):
            on_progress(symbol)
            outcome = await _outcome(
                symbol, request, replace, stores
            )  # again: somebody may have been quicker
            stored.append(await _store(market, position, outcome, request, stores, now_ns))
    return SynthReport(request.recipe, request.interval.name, request.n_bars, tuple(stored))


async def _outcome(symbol: str, request: SynthRequest, replace: bool, stores: Stores) -> SynthOutcome:
    """What storing a symbol means, or why it must not be."""
    series = [info for info in await stores.bars.all_series() if info.symbol == symbol]
    recorded = [info for info in series if not info.is_synthetic]
    if recorded:
        sources = ", ".join(f"{info.interval} of {info.source}" for info in recorded)
        raise ConflictError(
            f"{symbol} has recorded bars ({sources}), and synthetic ones must not mix with them; "
            f"name the synthetic market otherwise, as in --symbols SYN-{symbol}"
        )
    if not series:
        return SynthOutcome.MADE
    origin = await stores.synthetic.origin(symbol)
    if origin == request.recipe:
        is_longer = series[0].last_ns + request.interval.ns < request.stop_ns
        return SynthOutcome.EXTENDED if is_longer else SynthOutcome.UNCHANGED
    if not replace:
        raise ConflictError(
            f"{symbol} has a synthetic market of another recipe: stored is {origin or 'unknown'}, "
            f"asked for is {request.recipe}; --replace deletes the stored one"
        )
    return SynthOutcome.REPLACED


async def _store(
    market: SyntheticMarket,
    position: int,
    outcome: SynthOutcome,
    request: SynthRequest,
    stores: Stores,
    now_ns: int,
) -> SynthSeries:
    series, funding = market.series[position], market.funding[position]
    symbol = series.symbol
    if outcome is SynthOutcome.UNCHANGED:
        return SynthSeries(symbol, outcome, 0, 0, 0)
    if outcome is SynthOutcome.REPLACED:
        await stores.synthetic.erase(symbol)
    await stores.bars.merge(series)
    events = [_event(event, request.recipe) for event in market.events if event.symbol == symbol]
    await stores.events.add_events(events, now_ns=now_ns)
    await _add_funding(funding, stores)
    await stores.synthetic.record(symbol, request.interval, request.recipe, n_bars=request.n_bars)
    return SynthSeries(symbol, outcome, series.ts_ns.size, len(events), funding.ts_ns.size)


async def _add_funding(funding: FundingSeries, stores: Stores) -> None:
    if funding.ts_ns.size:
        await stores.events.add_funding(funding)


def _event(event: SyntheticEvent, recipe: str) -> Event:
    return Event(
        event_type=event.event_type,
        title=event.title,
        occurred_at_ns=event.event_time_ns,
        known_at_ns=event.known_at_ns,
        source_name=event.source_name,
        source_tier=event.tier,
        confidence_score=event.confidence,
        event_importance=event.importance,
        novelty_score=event.novelty,
        entity_confidence=1.0,
        payload={"synthetic_symbol": event.symbol, "synthetic_recipe": recipe},
        mentions=(Mention("asset", event.symbol, event.symbol),),
    )
