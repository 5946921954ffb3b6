"""Labelled samples in the table and in files say what the bars say."""

import duckdb
import numpy as np
import psycopg
import pytest

from marketsentry.adapters.sample_files import write_sample_file
from marketsentry.core.labels.direction import direction
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.services.samples import store_samples, training_samples


async def test_the_table_is_filled_once_per_dataset(build, market, database_url):
    built = await build(with_snapshots=False)
    written = await store_samples(built, ["1h", "1d"], transactions=market)
    expected = sum(int(np.isfinite(built.labels[name]).sum()) for name in ("1h", "1d"))
    assert written == expected
    assert await store_samples(built, ["1h", "1d"], transactions=market) == 0
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT price_start, price_end, pct_change, direction, extract(epoch FROM event_time)::bigint * 1000000000"
            " FROM training_samples WHERE symbol = 'BTC' AND horizon_hours = 24 ORDER BY event_time"
        ).fetchall()
    label = built.labels["1d"][:, 0]
    known = np.flatnonzero(np.isfinite(label))
    close = built.panel.close[:, 0]
    assert [row[4] for row in rows] == built.panel.known_at_ns[known].tolist()
    assert [row[0] for row in rows] == close[known].tolist()
    assert [row[1] for row in rows] == close[known + 24].tolist()
    np.testing.assert_allclose([float(row[2]) for row in rows], label[known], atol=0.5e-4 + 1e-12)
    names = {1.0: "up", 0.0: "neutral", -1.0: "down"}
    assert [row[3] for row in rows] == [names[sign] for sign in direction(label[known])]
    assert {row[3] for row in rows} == {"up", "neutral", "down"}


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".csv.gz"])
async def test_a_file_holds_every_sample_in_full(build, tmp_path, ending):
    built = await build(with_snapshots=False)
    path = tmp_path / f"samples{ending}"
    assert write_sample_file(path, training_samples(built, ["4h"], threshold_frac=0.01)) > 1_000
    rows = duckdb.sql(
        f"SELECT symbol, horizon_hours, start_at, end_at, price_start, pct_change, direction FROM '{path}'"
    ).fetchnumpy()
    for n, symbol in enumerate(("BTC", "ETH")):
        mine = rows["symbol"] == symbol
        label = built.labels["4h"][:, n]
        known = np.flatnonzero(np.isfinite(label))
        assert set(rows["horizon_hours"][mine]) == {4}
        np.testing.assert_array_equal(
            rows["start_at"][mine].astype("datetime64[ns]").astype(np.int64), built.panel.known_at_ns[known]
        )
        np.testing.assert_array_equal(
            rows["end_at"][mine].astype("datetime64[ns]").astype(np.int64), built.panel.known_at_ns[known + 4]
        )
        np.testing.assert_array_equal(rows["pct_change"][mine], label[known])
        np.testing.assert_array_equal(rows["price_start"][mine], built.panel.close[known, n])
        assert (rows["direction"][mine] == "up").sum() == (label[known] > 0.01).sum()
    assert list(tmp_path.glob(".draft-*")) == []


async def test_what_cannot_be_exported_is_refused(build, market, tmp_path):
    built = await build(with_snapshots=False)
    with pytest.raises(InputError, match="horizons must be among 1h, 4h, 1d, 7d, were"):
        list(training_samples(built, ["2h"]))
    with pytest.raises(InputError, match="horizons must be among"):
        list(training_samples(built, []))
    with pytest.raises(InputError, match=r"must end in one of \.parquet, \.csv, \.csv\.gz, was samples\.xls"):
        write_sample_file(tmp_path / "samples.xls", [])
    with pytest.raises(InputError, match="does not exist"):
        write_sample_file(tmp_path / "nowhere" / "samples.csv", [])


async def test_an_unrecorded_dataset_has_no_samples_in_the_table(build, market, database_url):
    built = await build(with_snapshots=False)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM datasets")
    with pytest.raises(NotFoundError, match="is not in the record"):
        await store_samples(built, ["1h"], transactions=market)
