"""Prove a feature set sound, on stored bars or on an invented market."""

from collections.abc import Sequence

import numpy as np

from marketsentry.core.features.check import FeatureCheck, Progress, check_features
from marketsentry.core.features.context import ContextInputs, KnownSeries
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.market.bars import BarPanel, BarState
from marketsentry.core.market.events import EVENT_TYPES, EventSeries
from marketsentry.core.market.interval import Interval, parse_interval
from marketsentry.exceptions import NotFoundError
from marketsentry.ports import Transactions
from marketsentry.services.market_inputs import load_market

_TRIAL_SYMBOLS = ("AAA", "BBB", "CCC")
_TRIAL_START_NS = 1_704_067_200_000_000_000
_BARS_BEYOND_WARMUP = 1_200
_LOST_FRAC = 0.001


async def check_stored(
    symbols: Sequence[str],
    interval: Interval,
    *,
    feature_set: FeatureSet,
    transactions: Transactions,
    rng: np.random.Generator,
    max_bars: int | None = None,
    on_progress: Progress | None = None,
) -> FeatureCheck:
    """Check a feature set on bars of the record.

    Parameters
    ----------
    symbols : sequence of str
        Canonical symbols; empty means every stored symbol of the interval.
    interval : Interval
        Bar length.
    feature_set : FeatureSet
        What to check.
    transactions : Transactions
        Opens the record.
    rng : Generator
        Chooses cuts and invents other futures.
    max_bars : int, optional
        Only the newest so many bars of the grid.
    on_progress : callable, optional
        Called with the step and the done share 0..1.

    Returns
    -------
    FeatureCheck
        What was found.

    Raises
    ------
    NotFoundError
        If there are no bars of the interval.
    """
    async with transactions() as stores:
        wanted = tuple(symbols) or tuple(
            one.symbol for one in await stores.bars.all_series() if one.interval == interval
        )
        if not wanted:
            raise NotFoundError(f"no bars of {interval} are stored; import some with: ms data import PATH")
        panel, inputs = await load_market(stores, wanted, interval)
    if max_bars is not None:
        panel = panel.window(max(panel.n_bars - max_bars, 0), panel.n_bars)
    return check_features(feature_set, panel, inputs, rng=rng, on_progress=on_progress)


def check_on_trial_market(
    feature_set: FeatureSet, *, seed: int, on_progress: Progress | None = None
) -> FeatureCheck:
    """Check a feature set on three invented symbols with lost bars, bars without trades and every input."""
    rng = np.random.default_rng(seed)
    panel = trial_panel(feature_set.schema.max_lookback_bars + _BARS_BEYOND_WARMUP, rng)
    return check_features(feature_set, panel, _trial_inputs(panel, rng), rng=rng, on_progress=on_progress)


def trial_panel(n_bars: int, rng: np.random.Generator) -> BarPanel:
    """Invent five-minute bars of three symbols, with lost bars and bars without trades."""
    interval = parse_interval("5m")
    n = len(_TRIAL_SYMBOLS)
    market = rng.normal(0.0, 0.001, (n_bars, 1))
    close = 100.0 * np.exp(np.cumsum(market + rng.normal(0.0, 0.001, (n_bars, n)), axis=0))
    start = np.concatenate([np.full((1, n), 100.0), close[:-1]])
    high = np.maximum(start, close) * (1.0 + np.abs(rng.normal(0.0, 5e-4, close.shape)))
    low = np.minimum(start, close) * (1.0 - np.abs(rng.normal(0.0, 5e-4, close.shape)))
    values = np.stack([start, high, low, close, rng.lognormal(4.0, 1.0, close.shape)], axis=2)
    state = np.full(close.shape, BarState.TRADED, dtype=np.uint8)
    quiet = rng.random(close.shape) < 0.02
    values[quiet] = np.concatenate(
        [np.repeat(start[quiet][:, None], 4, axis=1), np.zeros((int(quiet.sum()), 1))], axis=1
    )
    state[quiet] = BarState.NO_TRADE
    lost = rng.random(close.shape) < _LOST_FRAC
    values[lost] = np.nan
    state[lost] = BarState.LOST
    ts_ns = _TRIAL_START_NS + interval.ns * np.arange(n_bars, dtype=np.int64)
    return BarPanel(_TRIAL_SYMBOLS, interval, ("synthetic",) * n, ts_ns, values, state)


def _trial_inputs(panel: BarPanel, rng: np.random.Generator) -> ContextInputs:
    first, last = int(panel.ts_ns[0]), int(panel.known_at_ns[-1])

    def known(every_s: int, scale: float) -> dict[str, KnownSeries]:
        times = np.arange(first, last, every_s * 1_000_000_000, dtype=np.int64)
        return {
            symbol: KnownSeries(times, rng.normal(0.0, scale, times.size)) for symbol in _TRIAL_SYMBOLS[:2]
        }

    return ContextInputs(
        funding=known(28_800, 1e-4),
        imbalance=known(60, 0.3),
        onchain=known(3_600, 1e6),
        events={symbol: _trial_events(symbol, first, last, rng) for symbol in _TRIAL_SYMBOLS[:2]},
    )


def _trial_events(symbol: str, first_ns: int, last_ns: int, rng: np.random.Generator) -> EventSeries:
    n = 60
    known_at_ns = np.sort(rng.integers(first_ns, last_ns, n))
    return EventSeries(
        symbol=symbol,
        occurred_at_ns=known_at_ns - rng.integers(0, 3_600_000_000_000, n),
        known_at_ns=known_at_ns,
        event_type=rng.integers(0, len(EVENT_TYPES), n).astype(np.int8),
        source_tier=rng.integers(1, 4, n).astype(np.int8),
        importance=rng.random(n),
        confidence=rng.random(n),
        novelty=rng.random(n),
    )
