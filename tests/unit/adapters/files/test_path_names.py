"""What names and folders say, and that nothing more is guessed."""

from pathlib import Path

import pytest

from marketsentry.adapters.files.path_names import data_stem, read_path_name


@pytest.mark.parametrize(
    ("path", "source", "raw_symbol", "interval"),
    [
        ("bars/binance_spot_1m/BTCUSDT/2020.parquet", "binance_spot", "BTCUSDT", "1m"),
        ("bars/binance_perp_1h/BTCUSDT.parquet", "binance_perp", "BTCUSDT", "1h"),
        ("bars/coinbase_spot_15m/BTC-USD.parquet", "coinbase_spot", "BTC-USD", "15m"),
        ("funding/binance_perp/ETHUSDT.parquet", "binance_perp", "ETHUSDT", None),
        ("ticks/binance_cm_BTCUSD_PERP_20240808_trades.parquet", "binance_coinm", "BTCUSD-PERP", None),
        ("ticks/binance_usdm_BTCUSDT_20240808_trades.parquet", "binance_perp", "BTCUSDT", None),
        ("ticks/bitstamp_BTCUSD_20150501_trades.parquet", "bitstamp_spot", "BTCUSD", None),
        ("data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip", "binance_spot", "BTCUSDT", "1m"),
        ("futures/um/daily/klines/ETHUSDT/5m/ETHUSDT-5m-2024-01-02.csv", "binance_perp", "ETHUSDT", "5m"),
        (
            "futures/cm/monthly/aggTrades/BTCUSD_PERP/x/BTCUSD_PERP-aggTrades-2024-01.csv.gz",
            "binance_coinm",
            "BTCUSD-PERP",
            None,
        ),
        ("BTCUSDT-1m-2024-01.csv", None, "BTCUSDT", "1m"),
        ("Binance_BTCUSDT_1h.csv", None, "BTCUSDT", "1h"),
        ("binance_spot_BTCUSDT_1h.csv", "binance_spot", "BTCUSDT", "1h"),
        ("candles.csv", None, None, None),
        ("my data/prices.csv", None, "prices", None),
    ],
)
def test_names_of_recordings_and_archives_are_read(
    path: str, source: str | None, raw_symbol: str | None, interval: str | None
) -> None:
    name = read_path_name(Path(path))
    assert (name.source, name.raw_symbol) == (source, raw_symbol)
    assert (str(name.interval) if name.interval else None) == interval


def test_a_folder_called_um_alone_says_nothing() -> None:
    assert read_path_name(Path("um/cm/spot/BTCUSDT_1h.csv")).market is None


def test_stems_lose_all_data_suffixes() -> None:
    assert data_stem(Path("a/BTCUSDT-1m-2024-01.CSV.GZ")) == "BTCUSDT-1m-2024-01"
