"""Change every bar and every input from a cut on: no feature before the cut moves. One case a feature.

And K-55: training and serving share one function; batch is a loop over step, bit for bit.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_markets import panel_of, random_bars
from marketsentry.core.features.builtin import BUILTIN, SCHEMA
from marketsentry.core.features.changed_future import change_bars, change_inputs
from marketsentry.core.features.context import ContextInputs, KnownSeries
from marketsentry.core.features.feature_set import CompiledFeatureSet
from marketsentry.core.features.matrix import FeatureMatrix, compute_features
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.market.events import EventSeries

N_BARS = 700
CUTS = (341, 420, 588)


def inputs_of(panel: BarPanel, rng: np.random.Generator) -> ContextInputs:
    first, last = int(panel.ts_ns[0]), int(panel.known_at_ns[-1])

    def known(n: int, scale: float) -> dict[str, KnownSeries]:
        return {
            symbol: KnownSeries(np.sort(rng.integers(first, last, n)), rng.normal(0.0, scale, n))
            for symbol in panel.symbols
        }

    def events(symbol: str) -> EventSeries:
        at = np.sort(rng.integers(first, last, 80))
        kinds, tiers = rng.integers(0, 5, 80).astype(np.int8), rng.integers(1, 4, 80).astype(np.int8)
        return EventSeries(symbol, at - 10**11, at, kinds, tiers, *(rng.random(80) for _ in range(3)))

    return ContextInputs(
        funding=known(40, 1e-4),
        imbalance=known(900, 0.3),
        onchain=known(60, 1e6),
        events={symbol: events(symbol) for symbol in panel.symbols},
    )


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    values = random_bars(np.random.default_rng(41), N_BARS, 3)
    values[30, 1] = np.nan
    return panel_of(values)


@pytest.fixture(scope="module")
def inputs(panel: BarPanel) -> ContextInputs:
    return inputs_of(panel, np.random.default_rng(42))


@pytest.fixture(scope="module")
def real(panel: BarPanel, inputs: ContextInputs) -> FeatureMatrix:
    return compute_features(BUILTIN, panel, inputs)


@pytest.fixture(scope="module")
def others(panel: BarPanel, inputs: ContextInputs) -> dict[int, FeatureMatrix]:
    rng = np.random.default_rng(43)
    return {
        cut: compute_features(
            BUILTIN,
            change_bars(panel, cut, 200, rng=rng),
            change_inputs(inputs, int(panel.known_at_ns[cut - 1]), rng=rng),
        )
        for cut in CUTS
    }


@pytest.mark.parametrize("name", SCHEMA.names)
def test_the_future_moves_nothing(name: str, real: FeatureMatrix, others: dict[int, FeatureMatrix]):
    for cut, other in others.items():
        assert np.array_equal(real.column(name)[:cut], other.column(name)[:cut], equal_nan=True)
        assert not np.array_equal(
            real.column(name)[cut : cut + 100], other.column(name)[cut : cut + 100], equal_nan=True
        ) or name.startswith(("hour", "weekday")), "the other future must be another one"


@pytest.mark.parametrize("name", SCHEMA.names)
def test_every_feature_has_values_right_after_its_warm_up(name: str, real: FeatureMatrix, panel: BarPanel):
    feature = SCHEMA.features[SCHEMA.names.index(name)]
    if feature.source in ("bars", "clock", "bars of all symbols"):
        assert np.isnan(real.column(name)[: feature.lookback_bars, 0]).all()
        assert not np.isnan(real.column(name)[feature.lookback_bars, 0])
        assert np.isnan(real.column(name)[30 : 31 + feature.lookback_bars, 1]).all()
    else:
        assert np.isfinite(real.column(name)[:, 0]).any()
        assert np.isnan(real.column(name)[30, 1])


def stream(feature_set: CompiledFeatureSet, panel: BarPanel, context: np.ndarray) -> np.ndarray:
    state = feature_set.new_state(len(panel.symbols))
    rows = np.empty((panel.n_bars, len(panel.symbols), len(feature_set.schema.features)))
    for t in range(panel.n_bars):
        feature_set.step(state, panel.values[t], int(panel.ts_ns[t]), context[t], rows[t])
    return rows


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_symbols=st.integers(1, 4),
    lost=st.lists(st.integers(0, 399), max_size=8),
    split=st.integers(1, 399),
)
def test_batch_equals_step_and_may_be_cut_anywhere(seed: int, n_symbols: int, lost: list[int], split: int):
    rng = np.random.default_rng(seed)
    values = random_bars(rng, 400, n_symbols)
    for t in lost:
        values[t, rng.integers(n_symbols)] = np.nan
    panel = panel_of(values)
    context = rng.normal(size=(400, n_symbols, 18))
    whole = np.empty((400, n_symbols, len(SCHEMA.features)))
    BUILTIN.batch(BUILTIN.new_state(n_symbols), panel.values, panel.ts_ns, context, whole)
    assert stream(BUILTIN, panel, context).tobytes() == whole.tobytes()
    state, parts = BUILTIN.new_state(n_symbols), np.empty_like(whole)
    for rows in (slice(0, split), slice(split, 400)):
        BUILTIN.batch(state, panel.values[rows], panel.ts_ns[rows], context[rows], parts[rows])
    assert parts.tobytes() == whole.tobytes()


def lost_bar(change: Callable[[np.ndarray], None]) -> np.ndarray:
    values = random_bars(np.random.default_rng(44), 60, 1)
    change(values[40, 0])
    return compute_features(BUILTIN, panel_of(values), ContextInputs()).values[:, 0]


@pytest.mark.parametrize("field", range(5))
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_a_bar_that_is_not_whole_is_lost(field: int, value: float):
    def change(bar: np.ndarray) -> None:
        bar[field] = value

    values = lost_bar(change)
    assert np.isnan(values[40]).all()
    assert np.isnan(values[41, SCHEMA.names.index("ret_1")])
    assert np.isfinite(values[42, SCHEMA.names.index("ret_1")])


def test_a_bar_without_trades_is_an_ordinary_bar():
    def change(bar: np.ndarray) -> None:
        bar[:4] = bar[3]
        bar[4] = 0.0

    values = lost_bar(change)
    assert np.isfinite(values[40, SCHEMA.names.index("vol_12")])
    assert values[40, SCHEMA.names.index("log_volume")] == 0.0
