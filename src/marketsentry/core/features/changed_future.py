"""Another future for the same past: bars and inputs after a cut are replaced, nothing before it moves."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.features.context import ContextInputs, KnownSeries
from marketsentry.core.market.bars import BarPanel, BarState
from marketsentry.core.market.events import EVENT_TYPES, EventSeries

_MOVE_FRAC = 0.02
_LOST_FRAC = 0.05


def change_bars(panel: BarPanel, cut: int, n_bars: int, *, rng: np.random.Generator) -> BarPanel:
    """Keep the bars before `cut` and append `n_bars` invented ones, some of them lost.

    Parameters
    ----------
    panel : BarPanel
        The real bars.
    cut : int
        First row to replace, 1 <= cut <= T.
    n_bars : int
        Rows to invent; the grid goes on beyond the panel if need be.
    rng : Generator
        Where the invented bars come from.

    Returns
    -------
    BarPanel
        Of `cut` + `n_bars` rows.
    """
    n_symbols = len(panel.symbols)
    level = np.array([_last_close(panel.close[:cut, n]) for n in range(n_symbols)])
    close = level * np.exp(np.cumsum(rng.normal(0.0, _MOVE_FRAC, (n_bars, n_symbols)), axis=0))
    start = np.concatenate([level[None], close[:-1]])
    high = np.maximum(start, close) * (1.0 + np.abs(rng.normal(0.0, _MOVE_FRAC, close.shape)))
    low = np.minimum(start, close) / (1.0 + np.abs(rng.normal(0.0, _MOVE_FRAC, close.shape)))
    volume = rng.lognormal(3.0, 2.0, close.shape)
    future = np.stack([start, high, low, close, volume], axis=2)
    is_lost = rng.random(close.shape) < _LOST_FRAC
    future[is_lost] = np.nan
    state = np.where(is_lost, BarState.LOST, BarState.TRADED).astype(np.uint8)
    return BarPanel(
        panel.symbols,
        panel.interval,
        panel.sources,
        panel.ts_ns[0] + panel.interval.ns * np.arange(cut + n_bars, dtype=np.int64),
        np.concatenate([panel.values[:cut], future]),
        np.concatenate([panel.state[:cut], state]),
    )


def _last_close(close: NDArray[np.float64]) -> float:
    known = close[close > 0]
    return float(known[-1]) if known.size else 100.0


def change_inputs(inputs: ContextInputs, after_ns: int, *, rng: np.random.Generator) -> ContextInputs:
    """Keep what was known by `after_ns`; change the values, times and number of what became known later."""
    return ContextInputs(
        funding=_change_all(inputs.funding, after_ns, rng),
        imbalance=_change_all(inputs.imbalance, after_ns, rng),
        onchain=_change_all(inputs.onchain, after_ns, rng),
        events={symbol: _change_events(one, after_ns, rng) for symbol, one in inputs.events.items()},
    )


def _change_all(
    series: Mapping[str, KnownSeries], after_ns: int, rng: np.random.Generator
) -> dict[str, KnownSeries]:
    changed = {}
    for symbol, one in series.items():
        past = one.known_at_ns <= after_ns
        later = np.sort(_later_times(after_ns, rng))
        values = rng.normal(0.0, 1.0, later.size)
        changed[symbol] = KnownSeries(
            np.concatenate([one.known_at_ns[past], later]), np.concatenate([one.values[past], values])
        )
    return changed


def _change_events(events: EventSeries, after_ns: int, rng: np.random.Generator) -> EventSeries:
    past = events.known_at_ns <= after_ns
    later = np.sort(_later_times(after_ns, rng))
    n = later.size

    def scores(known: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([known[past], rng.random(n)])

    return replace(
        events,
        occurred_at_ns=np.concatenate([events.occurred_at_ns[past], later]),
        known_at_ns=np.concatenate([events.known_at_ns[past], later]),
        event_type=np.concatenate(
            [events.event_type[past], rng.integers(0, len(EVENT_TYPES), n).astype(np.int8)]
        ),
        source_tier=np.concatenate([events.source_tier[past], rng.integers(1, 4, n).astype(np.int8)]),
        importance=scores(events.importance),
        confidence=scores(events.confidence),
        novelty=scores(events.novelty),
    )


def _later_times(after_ns: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Forty instants within the week after, the first one nanosecond later: the sharpest test of `<=`."""
    week_ns = 168 * 3_600_000_000_000
    return after_ns + np.concatenate([[1], rng.integers(1, week_ns, 39)])
