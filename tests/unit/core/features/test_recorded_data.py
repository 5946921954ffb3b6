"""The built-in features on recorded bars: batch equals step, no look-ahead, and inputs that are centred."""

from pathlib import Path

import duckdb
import numpy as np
import pytest
import talib

from marketsentry.core.features.builtin import BUILTIN, SCHEMA
from marketsentry.core.features.check import check_features
from marketsentry.core.features.context import ContextInputs, KnownSeries
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.market.bars import BarPanel, BarSeries, align_panel
from marketsentry.core.market.interval import parse_interval

pytestmark = pytest.mark.realdata


def read_series(path: Path, interval: str) -> BarSeries:
    columns = duckdb.connect().execute(
        "SELECT epoch_ns(ts) AS ts, open, high, low, close, volume FROM read_parquet(?)", [str(path)]
    )
    table = columns.fetchnumpy()
    values = np.column_stack([table[name] for name in ("open", "high", "low", "close", "volume")])
    return BarSeries(path.stem, parse_interval(interval), "binance_spot", table["ts"], values)


def read_funding(path: Path) -> KnownSeries:
    table = duckdb.connect().execute(
        "SELECT epoch_ns(ts) AS ts, funding_rate FROM read_parquet(?) ORDER BY ts", [str(path)]
    )
    columns = table.fetchnumpy()
    return KnownSeries(columns["ts"], columns["funding_rate"])


@pytest.fixture(scope="module")
def hours(realdata: Path) -> BarPanel:
    """Twelve coins, three years around the outages of 2021 and the listings of 2020."""
    paths = sorted((realdata / "bars" / "binance_spot_1h").glob("*.parquet"))
    panel = align_panel([read_series(path, "1h") for path in paths])
    assert len(panel.symbols) == 12
    return panel.window(22_000, 48_000)


@pytest.fixture(scope="module")
def funding(realdata: Path) -> ContextInputs:
    names = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    return ContextInputs(
        funding={
            name: read_funding(realdata / "funding" / "binance_perp" / f"{name}.parquet") for name in names
        }
    )


def test_hours_of_twelve_coins(hours: BarPanel, funding: ContextInputs):
    listings_and_outages = hours.window(0, 14_000)
    found = check_features(BUILTIN, listings_and_outages, funding, rng=np.random.default_rng(0), n_cuts=2)
    assert found.passed, found
    assert (found.max_batch_stream_diff, found.n_mask_mismatches, found.leaks) == (0.0, 0, ())


def test_five_minutes_of_bitcoin(realdata: Path):
    path = str(realdata / "bars" / "binance_spot_1m" / "BTCUSDT" / "2021.parquet")
    bars = duckdb.connect().execute(
        """
        SELECT epoch_ns(time_bucket(INTERVAL 5 MINUTE, ts)) AS ts, first(open ORDER BY ts)::DOUBLE AS open,
               max(high)::DOUBLE AS high, min(low)::DOUBLE AS low, last(close ORDER BY ts)::DOUBLE AS close,
               sum(volume)::DOUBLE AS volume
        FROM read_parquet(?) WHERE ts < TIMESTAMPTZ '2021-05-01 00:00:00+00' GROUP BY 1 ORDER BY 1
        """,
        [path],
    )
    table = bars.fetchnumpy()
    values = np.column_stack([table[name] for name in ("open", "high", "low", "close", "volume")])
    series = BarSeries("BTC", parse_interval("5m"), "binance_spot", table["ts"], values)
    panel = align_panel([series])
    assert panel.n_bars > series.ts_ns.size, "the outages of 2021 must be in the panel"
    found = check_features(BUILTIN, panel, ContextInputs(), rng=np.random.default_rng(0), n_cuts=2)
    assert found.passed, found


def test_rsi_of_an_unbroken_stretch_is_that_of_talib(hours: BarPanel):
    close = np.ascontiguousarray(hours.close[18_000:24_000, hours.symbols.index("BTCUSDT")])
    assert np.isfinite(close).all()
    features = compute_features(BUILTIN, hours.window(18_000, 24_000), ContextInputs())
    rsi = 50 * (1 + features.column("rsi_14")[:, hours.symbols.index("BTCUSDT")])
    assert rsi[300:] == pytest.approx(talib.RSI(close, 14)[300:], rel=1e-9)


def test_signed_features_are_centred(hours: BarPanel):
    """K-63: a feature that can point both ways must not say buy by default."""
    values = compute_features(BUILTIN, hours, ContextInputs()).values
    signed = ("share, -1..1", "t statistic", "rank, -0.5..0.5", "half bands", "correlation")
    for k, feature in enumerate(SCHEMA.features):
        if feature.unit in signed and feature.source != "order book" and feature.name != "corr_96":
            column = values[:, :, k][~np.isnan(values[:, :, k])]
            assert abs(column.mean()) < 0.6 * column.std(), (feature.name, column.mean(), column.std())
