"""The check catches what it is for: each fault below is a feature set that must not pass."""

from collections.abc import Callable
from dataclasses import replace

import numba
import numpy as np
import pytest

from feature_markets import panel_of, random_bars
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.features.check import FeatureCheck, check_features
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.feature_set import CompiledFeatureSet, per_symbol_feature_set
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.core.market.bars import BarPanel
from marketsentry.exceptions import InputError


def schema(*lookbacks: int) -> FeatureSchema:
    return FeatureSchema(
        "test-v1",
        tuple(FeatureDef(f"x{k}", "a test", "none", n, "bars", "never") for k, n in enumerate(lookbacks)),
    )


@numba.njit
def half_sum(state, bar, ts_ns, context, out):
    """x0 the close, x1 a running mean: sound."""
    out[0] = bar[3]
    state[0] += 0.5 * (bar[3] - state[0])
    out[1] = state[0]


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    values = random_bars(np.random.default_rng(51), 500, 2)
    values[100, 1] = np.nan
    return panel_of(values)


@pytest.fixture(scope="module")
def sound() -> CompiledFeatureSet:
    return per_symbol_feature_set(schema(0, 5), half_sum, state_size=1)


def check(feature_set: CompiledFeatureSet, panel: BarPanel) -> FeatureCheck:
    return check_features(feature_set, panel, ContextInputs(), rng=np.random.default_rng(0))


def with_batch(
    sound: CompiledFeatureSet, spoil: Callable[[np.ndarray, np.ndarray], None]
) -> CompiledFeatureSet:
    """The sound set, whose batch is spoiled afterwards."""

    def batch(state, bars, ts_ns, context, out):
        sound.batch(state, bars, ts_ns, context, out)
        spoil(bars, out)

    return replace(sound, batch=batch)


def test_a_sound_set_passes(sound: CompiledFeatureSet, panel: BarPanel):
    found = check(sound, panel)
    assert found.passed
    assert found.max_batch_stream_diff == 0.0
    assert found.leaks == ()
    assert found.features == 2


def test_the_built_in_set_passes(panel: BarPanel):
    assert check(BUILTIN, panel).passed


def test_a_feature_made_of_the_future_is_caught(sound: CompiledFeatureSet, panel: BarPanel):
    def peek(bars, out):
        out[:-1, :, 1] = bars[1:, :, 3] / bars[:-1, :, 3] - 1.0
        out[-1, :, 1] = np.nan

    found = check(with_batch(sound, peek), panel)
    assert not found.passed
    (leak,) = found.leaks
    assert leak.feature == "x1"
    row = int(np.searchsorted(panel.ts_ns, leak.bar_ts_ns))
    assert leak.bar_ts_ns == min(found.cut_ts_ns) - panel.interval.ns
    assert np.isnan(leak.value_without_future)
    column = panel.symbols.index(leak.symbol)
    assert leak.value_with_future == pytest.approx(
        panel.close[row + 1, column] / panel.close[row, column] - 1.0
    )


def test_scaling_with_the_whole_sample_is_caught_at_the_first_bar(sound: CompiledFeatureSet, panel: BarPanel):
    def scale(bars, out):
        out[:, :, 0] = bars[:, :, 3] - np.nanmean(bars[:, :, 3], axis=0)

    found = check(with_batch(sound, scale), panel)
    (leak,) = found.leaks
    assert (leak.feature, leak.bar_ts_ns) == ("x0", panel.ts_ns[0])
    assert leak.value_with_future != leak.value_without_future


def test_batch_and_step_that_differ_by_one_bit_are_caught(sound: CompiledFeatureSet, panel: BarPanel):
    def nudge(bars, out):
        out[77, 1, 0] = np.nextafter(out[77, 1, 0], np.inf)

    found = check(with_batch(sound, nudge), panel)
    assert not found.passed
    assert 0.0 < found.max_batch_stream_diff < 1e-12
    (mismatch,) = found.stream_mismatches
    assert (mismatch.feature, mismatch.symbol, mismatch.bar_ts_ns) == ("x0", "S1", panel.ts_ns[77])


def test_a_mask_that_differs_is_caught(sound: CompiledFeatureSet, panel: BarPanel):
    def hide(bars, out):
        out[200, 0, 1] = np.nan

    found = check(with_batch(sound, hide), panel)
    assert not found.passed
    assert found.n_mask_mismatches == 1
    assert found.max_batch_stream_diff == 0.0


def test_a_value_in_warm_up_is_caught(sound: CompiledFeatureSet, panel: BarPanel):
    def fill(bars, out):
        out[np.isnan(out)] = 0.0

    found = check(with_batch(sound, fill), panel)
    assert [(one.feature, one.bars_since_loss) for one in found.warmup_violations] == [("x0", -1), ("x1", 0)]
    assert not found.passed


def test_an_infinite_value_is_caught(panel: BarPanel):
    @numba.njit(error_model="numpy")
    def divide(state, bar, ts_ns, context, out):
        out[0] = bar[3] / 0.0

    found = check(per_symbol_feature_set(schema(0), divide, state_size=0), panel)
    assert [one.feature for one in found.warmup_violations] == ["x0"]
    assert not found.passed


def test_chance_is_caught(sound: CompiledFeatureSet, panel: BarPanel):
    rng = np.random.default_rng(1)

    def gamble(bars, out):
        out[:, :, 0] += rng.normal(size=out.shape[:2])

    assert not check(with_batch(sound, gamble), panel).is_deterministic


def test_a_step_that_writes_beyond_its_columns_is_caught(panel: BarPanel):
    @numba.njit
    def overrun(state, bar, ts_ns, context, out):
        out[0] = bar[3]
        for k in range(1, 4):
            out[k] = 1.0

    found = check(per_symbol_feature_set(schema(0), overrun, state_size=0), panel)
    assert not found.is_within_bounds
    assert not found.passed


def test_a_step_that_was_not_compiled_is_refused():
    with pytest.raises(InputError, match="compiled"):
        per_symbol_feature_set(schema(0), lambda *a: None, state_size=0)


def test_too_short_a_panel_is_refused(sound: CompiledFeatureSet, panel: BarPanel):
    with pytest.raises(InputError, match="at least 10 bars, had 9"):
        check(sound, panel.window(0, 9))
