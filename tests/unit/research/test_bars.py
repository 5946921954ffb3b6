import numpy as np
import pytest

from market_files import bar_rows, write_csv, write_parquet
from marketsentry.exceptions import DataQualityError, InputError, NotFoundError
from marketsentry.research import load_bars, synthetic_bars

HOUR_NS = 3_600_000_000_000


def table(n_bars, *, start=472_222):
    ts_ns = (start + np.arange(n_bars)) * HOUR_NS
    close = 100.0 + np.arange(n_bars)
    return np.column_stack([ts_ns, close, close + 1, close - 1, close, np.full(n_bars, 7.0)])


def test_arrays_become_bars_on_one_grid():
    bars = load_bars({"BTC": table(5), "ETH": table(3, start=472_224)}, interval="1h")
    assert bars.panel.symbols == ("BTC", "ETH")
    assert bars.panel.ts_ns.tolist() == [(472_222 + n) * HOUR_NS for n in range(5)]
    np.testing.assert_array_equal(bars.panel.close[:, 0], [100, 101, 102, 103, 104])
    np.testing.assert_array_equal(bars.panel.close[2:, 1], [100, 101, 102])
    assert np.isnan(bars.panel.close[:2, 1]).all()


def test_only_the_wanted_symbols_are_taken_in_their_order():
    bars = load_bars({"BTC": table(5), "ETH": table(5)}, symbols=("ETH",), interval="1h")
    assert bars.panel.symbols == ("ETH",)


def test_bad_rows_are_an_error_unless_they_are_left_out():
    bad = table(5)
    bad[2, 2] = 1.0  # a high below its low
    with pytest.raises(DataQualityError, match="1 rows of BTC are bad, the first is row 2"):
        load_bars({"BTC": bad}, interval="1h")
    bars = load_bars({"BTC": bad}, interval="1h", skip_bad_rows=True)
    assert np.isnan(bars.panel.close[2, 0])
    with pytest.raises(DataQualityError, match="none of the rows of BTC is good"):
        load_bars({"BTC": bad[2:3]}, interval="1h", skip_bad_rows=True)


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ({"BTC": table(3)}, {}, "need the length of their bars"),
        ({"BTC": table(3)[:, :5]}, {"interval": "1h"}, r"must have shape \(n, 6\)"),
        ({"BTC": table(3)}, {"interval": "1h", "symbols": ("SOL",)}, "symbols must be among"),
        ({}, {"interval": "1h"}, "symbols must be among"),
        ({"BTC": table(3)}, {"interval": "fast"}, "interval must look like"),
    ],
)
def test_arrays_that_leave_something_open_are_refused(source, options, words):
    with pytest.raises(InputError, match=words):
        load_bars(source, **options)


def test_files_are_read_as_an_import_reads_them(tmp_path):
    write_parquet(tmp_path / "binance_spot_1h" / "BTCUSDT.parquet", bar_rows(60, step_s=3600))
    write_csv(tmp_path / "binance_spot_1h" / "ETHUSDT.csv", bar_rows(40, step_s=3600))
    bars = load_bars(tmp_path)
    assert (bars.panel.symbols, bars.panel.interval.name) == (("BTC", "ETH"), "1h")
    assert set(bars.panel.sources) == {"binance_spot"}
    assert [one.ts_ns.size for one in bars.series] == [60, 40]
    one = load_bars(str(tmp_path / "binance_spot_1h" / "BTCUSDT.parquet"))
    np.testing.assert_array_equal(one.panel.values[:, 0], bars.panel.values[:, 0])


def test_several_files_of_a_symbol_are_put_together(tmp_path):
    rows = bar_rows(60, step_s=3600)
    write_csv(tmp_path / "a" / "binance_spot_1h" / "BTCUSDT.csv", rows[:40])
    write_csv(tmp_path / "b" / "binance_spot_1h" / "BTCUSDT.csv", rows[30:])
    bars = load_bars([tmp_path / "a", tmp_path / "b"])
    assert bars.panel.n_bars == 60
    assert np.isfinite(bars.panel.close).all()


def test_files_that_leave_something_open_are_refused(tmp_path):
    write_csv(tmp_path / "binance_spot_1h" / "BTCUSDT.csv", bar_rows(60, step_s=3600))
    write_csv(tmp_path / "binance_spot_1m" / "BTCUSDT.csv", bar_rows(60))
    with pytest.raises(InputError, match="interval must be one of 1m, 1h"):
        load_bars(tmp_path)
    assert load_bars(tmp_path, interval="1m").panel.interval.name == "1m"
    with pytest.raises(NotFoundError, match="no bars of SOL"):
        load_bars(tmp_path, interval="1h", symbols=("BTC", "SOL"))
    with pytest.raises(NotFoundError, match="no such bars"):
        load_bars(tmp_path, interval="5m")
    with pytest.raises(NotFoundError, match="no file or folder"):
        load_bars(tmp_path / "nowhere")


def test_bad_rows_of_a_file_are_named(tmp_path):
    rows = bar_rows(30, step_s=3600)
    path = write_csv(tmp_path / "binance_spot_1h" / "BTCUSDT.csv", rows)
    lines = path.read_text().splitlines()
    cells = lines[5].split(",")
    cells[2] = "-1"
    path.write_text("\n".join([*lines[:5], ",".join(cells), *lines[6:]]) + "\n")
    with pytest.raises(DataQualityError, match="1 rows are bad"):
        load_bars(path)
    assert load_bars(path, skip_bad_rows=True).series[0].ts_ns.size == 29


def test_a_synthetic_market_has_equal_bytes_and_funding():
    one, other = (synthetic_bars(symbols=("BTC", "ETH"), days=5) for _ in range(2))
    assert one.panel.values.tobytes() == other.panel.values.tobytes()
    assert set(one.inputs.funding) == {"BTC", "ETH"}
