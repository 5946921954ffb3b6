"""The 15 fields of contract 4.1: their order, and their values worked out by hand."""

import math

import numpy as np
import pytest

from feature_markets import panel_of, random_bars
from marketsentry.core.features.builtin import BUILTIN, SCHEMA
from marketsentry.core.features.context import NS_PER_HOUR, ContextInputs, KnownSeries
from marketsentry.core.features.matrix import FeatureMatrix, compute_features
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.market.events import EventSeries

N_BARS = 120


def closes() -> np.ndarray:
    """100, 101, 100, 101, ...: every log return is plus or minus ln 1.01."""
    return np.where(np.arange(N_BARS) % 2 == 0, 100.0, 101.0)


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    close = closes()
    volume = np.full(N_BARS, 3.0)
    volume[-13:-1] = [2.0, 4.0] * 6  # mean 3, standard deviation 1
    volume[-1] = 8.0
    bars = np.stack([close, close, close, close, volume], axis=1)[:, None, :]
    return panel_of(bars)


@pytest.fixture(scope="module")
def features(panel: BarPanel) -> FeatureMatrix:
    last = int(panel.known_at_ns[-1])

    def known(*pairs: tuple[float, float]) -> dict[str, KnownSeries]:
        """Values with their age in hours at the last close, oldest first."""
        times = np.array([last - int(age * NS_PER_HOUR) for age, _ in pairs], dtype=np.int64)
        return {"S0": KnownSeries(times, np.array([value for _, value in pairs]))}

    inputs = ContextInputs(
        funding=known((9.0, 0.0002), (1.0, 0.0003), (-0.001, 0.9)),
        imbalance=known((0.5, -0.1), (0.0, 0.25), (-0.001, 0.9)),
        onchain=known((5.0, 2e6), (3.0, -5e5), (-0.001, 9e9)),
        events={"S0": event_series(last, [(30.0, 30.0), (6.0, 6.0), (7.0, 2.0), (-1.0, -1.0)])},
    )
    return compute_features(BUILTIN, panel, inputs)


def event_series(last: int, ages: list[tuple[float, float]]) -> EventSeries:
    """Events by (age of occurrence, age of knowledge) in hours at the last close."""
    n = len(ages)
    return EventSeries(
        "S0",
        np.array([last - int(a * NS_PER_HOUR) for a, _ in ages], dtype=np.int64),
        np.array([last - int(k * NS_PER_HOUR) for _, k in ages], dtype=np.int64),
        np.zeros(n, dtype=np.int8),
        np.full(n, 3, dtype=np.int8),
        *(np.full(n, 0.5) for _ in range(3)),
    )


def test_the_order_is_the_contract():
    assert SCHEMA.names[:15] == (
        "ret_1",
        "ret_3",
        "ret_12",
        "ret_48",
        "vol_3",
        "vol_12",
        "vol_48",
        "vol_96",
        "log_volume",
        "vol_z",
        "volume_impact",
        "orderbook_imbalance",
        "funding_rate",
        "onchain_norm",
        "event_decay",
    )
    assert len(SCHEMA.names) >= 60
    assert SCHEMA.version == "feature-store-v2.0"


def test_inference_needs_97_bars_for_the_contract_fields():
    assert max(feature.lookback_bars for feature in SCHEMA.features[:15]) == 96


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ret_1", 0.01),  # bar 119 is odd: 101 after 100
        ("ret_3", 0.01),
        ("ret_12", 0.0),
        ("ret_48", 0.0),
        ("vol_3", math.log(1.01) * math.sqrt(8.0 / 9.0)),  # +a, -a, +a: mean a/3, variance 8/9 a**2
        ("vol_12", math.log(1.01)),
        ("vol_48", math.log(1.01)),
        ("vol_96", math.log(1.01)),
        ("log_volume", math.log(9.0)),
        ("vol_z", 5.0),  # (8 - 3) / 1
        ("volume_impact", 0.01 / math.sqrt(8.0)),
        ("orderbook_imbalance", 0.25),
        ("funding_rate", 0.0003),
        ("onchain_norm", math.tanh(-0.5)),
        ("event_decay", math.exp(-0.5)),  # the newest that was known happened six hours ago
    ],
)
def test_worked_by_hand(name: str, expected: float, features: FeatureMatrix):
    assert features.column(name)[-1, 0] == pytest.approx(expected, rel=1e-12)


def test_the_deviation_of_volume_has_a_floor():
    close = closes()
    volume = np.full(N_BARS, 3.0)
    volume[-1] = 3.5
    bars = np.stack([close, close, close, close, volume], axis=1)[:, None, :]
    features = compute_features(BUILTIN, panel_of(bars), ContextInputs())
    assert features.column("vol_z")[-1, 0] == pytest.approx(0.5 / 1e-6)
    assert features.column("vol_z")[-2, 0] == 0.0


def test_impact_takes_volume_below_one_as_one():
    close = closes()
    bars = np.stack([close, close, close, close, np.full(N_BARS, 0.25)], axis=1)[:, None, :]
    features = compute_features(BUILTIN, panel_of(bars), ContextInputs())
    assert features.column("volume_impact")[-1, 0] == pytest.approx(0.01, rel=1e-12)


def test_without_events_so_far_the_decay_is_zero_where_events_are_collected():
    panel = panel_of(np.repeat(np.array([[[1.0, 1.0, 1.0, 1.0, 1.0]]]), 3, axis=0).repeat(2, axis=1))
    known = event_series(int(panel.known_at_ns[1]), [(1.0, 0.0)])
    none = event_series(0, [])
    features = compute_features(BUILTIN, panel, ContextInputs(events={"S0": known, "S1": none}))
    decay = features.column("event_decay")
    assert np.isnan(decay[0]).all()
    assert decay[1, 1] == 0.0
    assert decay[1, 0] == pytest.approx(math.exp(-1 / 12))


def test_levels_do_not_enter_our_own_features():
    """K-63: only the two volume fields of the contract move when a coin is quoted in other units."""
    bars = random_bars(np.random.default_rng(2), 500, 2)
    scaled = bars * np.array([1_000.0] * 4 + [1.0])
    a = compute_features(BUILTIN, panel_of(bars), ContextInputs()).values[-1]
    b = compute_features(BUILTIN, panel_of(scaled), ContextInputs()).values[-1]
    assert b == pytest.approx(a, rel=1e-7, abs=1e-10, nan_ok=True)
    more = compute_features(BUILTIN, panel_of(bars * np.array([1.0] * 4 + [1_000.0])), ContextInputs())
    moved = {
        name
        for k, name in enumerate(SCHEMA.names)
        if more.values[-1, :, k] != pytest.approx(a[:, k], rel=1e-3, abs=1e-6, nan_ok=True)
    }
    # ln(1 + V) is a ratio of volumes only where V is far above 1, which bars without trades are not
    assert {"log_volume"} <= moved <= {"log_volume", "volume_impact", "volume_z_48"}
