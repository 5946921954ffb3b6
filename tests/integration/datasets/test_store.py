"""The snapshot store keeps every number, and how it is stored was chosen on purpose."""

from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from marketsentry.exceptions import ConflictError, InputError
from marketsentry.ports.datasets import DatasetRecord, SnapshotStamp
from small_market import HOUR, START_NS

NAMES = ("ret_1", "vol_3", "b", "event_decay_long_name")
EXTREMES = (1e-300, 5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 0.1, 1 / 3, 1e16, 1e22, 1e23)
STAMP = SnapshotStamp("BTC", "liquid", "feature-store-v2.0", "v1", "a" * 64, "infer-20260101000000-BTC", None)


async def write(transactions, values, stamp=STAMP, start_ns=START_NS):
    known_at_ns = start_ns + HOUR.ns * np.arange(1, len(values) + 1, dtype=np.int64)
    async with transactions() as stores:
        written = await stores.datasets.write_snapshots(
            stamp, NAMES, known_at_ns, values, np.arange(len(values))
        )
    assert written == len(values)
    return known_at_ns


async def read(transactions, stamp=STAMP):
    async with transactions() as stores:
        return await stores.datasets.read_snapshots(
            stamp.lineage_id, stamp.target, NAMES, schema_hash=stamp.schema_hash
        )


async def test_extreme_numbers_come_back_bit_equal(transactions):
    values = np.array([[a, -a, np.nan, 1.0] for a in EXTREMES])
    known_at_ns = await write(transactions, values)
    rows = await read(transactions)
    np.testing.assert_array_equal(rows.event_time_ns, known_at_ns)
    np.testing.assert_array_equal(np.isnan(rows.values), np.isnan(values))
    there = ~np.isnan(values)
    np.testing.assert_array_equal(rows.values[there].view(np.uint64), values[there].view(np.uint64))


async def test_random_bit_patterns_come_back_bit_equal(transactions):
    bits = np.random.default_rng(7).integers(0, 2**64, size=(5_000, 4), dtype=np.uint64)
    values = bits.view(np.float64).copy()
    values[~np.isfinite(values)] = np.nan
    await write(transactions, values)
    rows = await read(transactions)
    there = ~np.isnan(values)
    np.testing.assert_array_equal(np.isnan(rows.values), ~there)
    np.testing.assert_array_equal(rows.values[there].view(np.uint64), values[there].view(np.uint64))


async def test_negative_zero_comes_back_as_zero(transactions):
    """jsonb numbers have no negative zero; a dataset therefore holds none."""
    await write(transactions, np.array([[-0.0, 0.0, 1.0, -1.0]]))
    rows = await read(transactions)
    assert rows.values.tolist() == [[0.0, 0.0, 1.0, -1.0]]
    assert not np.signbit(rows.values[0, :2]).any()


async def test_missing_is_null_under_its_name(transactions, database_url):
    await write(transactions, np.array([[1.5, np.nan, 0.0, 2.0]]))
    with psycopg.connect(database_url) as connection:
        (payload,) = connection.execute("SELECT feature_payload FROM feature_snapshots").fetchone()
    assert payload == {"ret_1": 1.5, "vol_3": None, "b": 0.0, "event_decay_long_name": 2.0}


async def test_an_infinite_number_leaves_nothing_behind(transactions):
    values = np.ones((5_000, 4))
    values[-1, 2] = np.inf
    with pytest.raises(InputError, match="feature b must be finite or NaN, was inf"):
        await write(transactions, values)
    assert (await read(transactions)).values.size == 0


async def test_one_bar_of_a_lineage_has_one_snapshot(transactions):
    await write(transactions, np.ones((3, 4)))
    with pytest.raises(ConflictError, match="duplicate key"):
        await write(transactions, np.ones((3, 4)))


async def test_rows_beyond_the_yearly_partitions_are_kept_too(transactions):
    old_ns = 946_684_800_000_000_000 - 400 * HOUR.ns
    await write(transactions, np.ones((3, 4)), start_ns=old_ns)
    assert (await read(transactions)).event_time_ns[0] == old_ns + HOUR.ns


async def test_a_lineage_that_somebody_has_is_not_given_again(transactions):
    at = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    lineages = ("train-20260101120000-BTC",)
    record = DatasetRecord("c" * 64, "liquid", ("BTC",), "1h", "v1", "f", "a" * 64, lineages, "p", 0, {})
    async with transactions() as mine, transactions() as other:
        first = await mine.datasets.reserve_lineage(("BTC", "ETH"), at)
        second = await other.datasets.reserve_lineage(("ETH",), at)
    assert first == ("train-20260101120000-BTC", "train-20260101120000-ETH")
    assert second == ("train-20260101120001-ETH",)
    async with transactions() as stores:
        await stores.datasets.add(record)
    async with transactions() as stores:
        assert await stores.datasets.reserve_lineage(("BTC",), at) == ("train-20260101120001-BTC",)
        with pytest.raises(ConflictError, match="already has snapshots"):
            await stores.datasets.add(record)


def test_snapshots_are_kept_inside_the_row_uncompressed(database_url):
    """Compression halves the rate of a build and saves a third of the disk (ADR 0050)."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT c.relname, a.attstorage, c.reloptions FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE a.attname = 'feature_payload' AND c.relispartition"
        ).fetchall()
    assert len(rows) > 20
    for name, storage, options in rows:
        assert (storage, options) == ("e", ["toast_tuple_target=8160"]), name
