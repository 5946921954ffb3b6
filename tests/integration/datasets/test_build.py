"""A build writes files and snapshots once; what comes back is what was computed, bit for bit."""

import asyncio
import json
from pathlib import Path

import numpy as np
import psycopg
import pytest

from marketsentry.core.dataset import AllBlockedError, training_rows
from marketsentry.core.features.indicators import indicators_of
from marketsentry.core.lineage import first_difference
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.records import FundingSeries
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.services.datasets import DatasetRequest
from small_market import HOUR, START_NS, random_series, without_bars


def count(database_url: str, table: str) -> int:
    with psycopg.connect(database_url) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    missing = np.isnan(left)
    return bool(
        np.array_equal(missing, np.isnan(right))
        and np.array_equal(left[~missing].view(np.uint64), right[~missing].view(np.uint64))
    )


async def test_files_give_back_the_dataset_bit_for_bit(build, files):
    built = await build()
    loaded = files.load(built.content_hash)
    assert loaded.content_hash == built.content_hash
    assert loaded.parts == built.parts
    assert loaded.panel.symbols == ("BTC", "ETH")
    assert loaded.panel.sources == built.panel.sources
    np.testing.assert_array_equal(loaded.panel.ts_ns, built.panel.ts_ns)
    np.testing.assert_array_equal(loaded.panel.state, built.panel.state)
    assert same_bits(loaded.panel.values, built.panel.values)
    assert loaded.features.schema == built.features.schema
    assert same_bits(loaded.features.values, built.features.values)
    assert list(loaded.labels) == ["1h", "4h", "1d", "7d"]
    assert all(same_bits(loaded.labels[name], label) for name, label in built.labels.items())
    np.testing.assert_array_equal(
        loaded.inputs.funding["BTC"].known_at_ns, built.inputs.funding["BTC"].known_at_ns
    )
    assert np.isfinite(training_rows(loaded, "4h").label).all()


async def test_snapshots_give_back_the_features_bit_for_bit(build, market):
    built = await build()
    schema = built.features.schema
    async with market() as stores:
        for n, (symbol, lineage_id) in enumerate(zip(built.panel.symbols, built.lineage_ids, strict=True)):
            assert await stores.datasets.newest_lineage(symbol, "liquid", "v1", "1h") == lineage_id
            rows = await stores.datasets.read_snapshots(
                lineage_id, symbol, schema.names, schema_hash=schema.hash
            )
            there = built.panel.state[:, n] <= 1
            np.testing.assert_array_equal(rows.event_time_ns, built.panel.known_at_ns[there])
            assert same_bits(rows.values, built.features.values[there, n])


async def test_a_snapshot_is_stamped_with_its_bar_and_not_with_the_clock(build, database_url):
    built = await build()
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT target, event_time, as_of_ts, as_of, feature_version, data_version, schema_hash, dataset_id,"
            " feature_payload FROM feature_snapshots WHERE target = 'BTC' ORDER BY event_time"
        ).fetchall()
    assert len(rows) == 897
    for (
        target,
        event_time,
        as_of_ts,
        as_of,
        feature_version,
        data_version,
        schema_hash,
        dataset_id,
        payload,
    ) in rows:
        assert event_time == as_of_ts == as_of
        assert (target, feature_version, data_version) == ("BTC", built.features.schema.version, "v1")
        assert schema_hash == built.features.schema.hash
        assert dataset_id is not None
        assert set(payload) == set(built.features.names)
    assert rows[0][1].isoformat() == "2024-01-01T01:00:00+00:00"
    assert rows[0][8]["ret_1"] is None


async def test_lineages_are_named_by_second_and_symbol(build, clock, database_url):
    first = await build()
    assert first.lineage_ids == ("train-20260304050607-BTC", "train-20260304050607-ETH")
    changed = await build(code_version="code-2")
    assert changed.content_hash != first.content_hash
    assert changed.lineage_ids == ("train-20260304050608-BTC", "train-20260304050608-ETH")
    assert count(database_url, "lineages") == 4
    assert count(database_url, "feature_snapshots") == 2 * first.snapshots_written


async def test_the_same_content_is_written_once(build, files, database_url):
    first = await build()
    assert first.snapshots_written == first.n_rows == 897 + 600
    counts = [count(database_url, t) for t in ("feature_snapshots", "datasets", "technical_indicators")]
    again = await build()
    assert again.snapshots_written == 0
    assert again.lineage_ids == first.lineage_ids
    assert again.content_hash == first.content_hash
    assert counts == [
        count(database_url, t) for t in ("feature_snapshots", "datasets", "technical_indicators")
    ]


async def test_snapshots_can_be_added_later(build, database_url):
    bare = await build(with_snapshots=False)
    assert (bare.lineage_ids, bare.snapshots_written) == ((), 0)
    assert count(database_url, "feature_snapshots") == 0
    full = await build()
    assert full.content_hash == bare.content_hash
    assert full.snapshots_written == full.n_rows
    assert count(database_url, "datasets") == 1


async def test_two_builds_at_once_write_one_dataset(build, database_url):
    one, other = await asyncio.gather(build(), build())
    assert one.lineage_ids == other.lineage_ids
    assert sorted([one.snapshots_written, other.snapshots_written]) == [0, one.n_rows]
    assert count(database_url, "feature_snapshots") == one.n_rows


async def test_two_different_builds_at_once_get_two_lineages(build, database_url):
    one, other = await asyncio.gather(build(), build(code_version="code-2"))
    assert not set(one.lineage_ids) & set(other.lineage_ids)
    assert count(database_url, "feature_snapshots") == 2 * one.n_rows


async def test_indicators_are_stored_with_the_bars_they_belong_to(build, database_url):
    built = await build()
    expected = indicators_of(built.panel, built.features)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM timestamp)::bigint * 1000000000, ma_7, ma_30, rsi, macd, macd_signal"
            " FROM technical_indicators WHERE symbol = 'ETH' AND timeframe = '1h' ORDER BY timestamp"
        ).fetchall()
    there = np.isfinite(expected.ma_7[:, 1])
    assert len(rows) == np.count_nonzero(there) > 500
    np.testing.assert_array_equal([row[0] for row in rows], built.panel.known_at_ns[there])
    for column, name in ((1, "ma_7"), (2, "ma_30"), (4, "macd"), (5, "macd_signal")):
        stored = np.array([row[column] for row in rows], dtype=np.float64)
        assert same_bits(stored, getattr(expected, name)[there, 1])
    rsi = np.array([row[3] for row in rows], dtype=np.float64)
    np.testing.assert_allclose(rsi, expected.rsi[there, 1], atol=0.005 + 1e-9)


async def test_a_symbol_with_holes_is_reported_and_left_out(build, market):
    series = random_series("SOL", seed=3)
    async with market() as stores:
        await stores.bars.merge(without_bars(series, slice(100, 400)))
    built = await build(("BTC", "SOL", "ETH"))
    assert built.panel.symbols == ("BTC", "ETH")
    (blocked,) = built.blocked
    document = blocked.as_dict()
    assert (document["symbol"], document["status"]) == ("SOL", "blocked_by_data_quality")
    assert "missing_rate_exceeded" in document["reason"].split(",")
    assert document["data_quality"]["missing_rate"] == pytest.approx(300 / 900)
    assert document["data_quality"]["quality_passed"] == 0


async def test_when_all_symbols_are_blocked_nothing_is_written(build, market, files, database_url):
    series = random_series("SOL", seed=3)
    async with market() as stores:
        await stores.bars.merge(without_bars(series, slice(100, 400)))
    with pytest.raises(
        AllBlockedError, match=r"blocked_by_data_quality.*SOL: missing_rate_exceeded"
    ) as caught:
        await build(("SOL",))
    assert [one.symbol for one in caught.value.blocked] == ["SOL"]
    assert count(database_url, "datasets") == 0


async def test_bars_before_the_span_do_not_block_it(build, market):
    series = random_series("SOL", seed=3)
    async with market() as stores:
        await stores.bars.merge(without_bars(series, slice(100, 400)))
    built = await build(("SOL",), since_ns=START_NS + 400 * HOUR.ns)
    assert built.panel.symbols == ("SOL",)
    assert built.panel.n_bars == 500


async def test_a_span_reads_only_its_bars_and_what_was_known_by_its_end(build):
    until_ns = START_NS + 500 * HOUR.ns
    built = await build(("BTC",), until_ns=until_ns)
    assert built.panel.known_at_ns[-1] == until_ns
    assert built.inputs.funding["BTC"].known_at_ns[-1] <= until_ns


async def test_later_knowledge_does_not_rename_a_dataset(build, market):
    until_ns = START_NS + 500 * HOUR.ns
    before = await build(("BTC",), until_ns=until_ns)
    rates = FundingSeries("BTC-PERP", "synthetic", np.array([until_ns + 500 * HOUR.ns]), np.array([0.01]))
    async with market() as stores:
        await stores.events.add_funding(rates)
    after = await build(("BTC",), until_ns=until_ns)
    assert after.content_hash == before.content_hash


async def test_a_changed_bar_is_another_dataset(build, market):
    before = await build(("BTC",))
    series = random_series("BTC", seed=1)
    values = series.values[-1:].copy()
    values[0, 3] += 0.01
    async with market() as stores:
        await stores.bars.merge(BarSeries("BTC", HOUR, "synthetic", series.ts_ns[-1:], values))
    after = await build(("BTC",))
    assert first_difference(before.parts, after.parts) == "bars"
    assert after.lineage_ids != before.lineage_ids


async def test_a_symbol_without_bars_is_named(build):
    with pytest.raises(NotFoundError, match="XRP"):
        await build(("BTC", "XRP"))


async def test_snapshots_of_a_span_and_of_another_schema(build, market):
    built = await build(("BTC",))
    schema = built.features.schema
    start, stop = (int(built.panel.known_at_ns[t]) for t in (10, 20))
    async with market() as stores:
        rows = await stores.datasets.read_snapshots(
            built.lineage_ids[0], "BTC", schema.names, schema_hash=schema.hash, start_ns=start, stop_ns=stop
        )
        none = await stores.datasets.read_snapshots(
            "train-20000101000000-BTC", "BTC", schema.names, schema_hash=schema.hash
        )
        with pytest.raises(ConflictError, match="have schema"):
            await stores.datasets.read_snapshots(
                built.lineage_ids[0], "BTC", schema.names, schema_hash="0" * 64
            )
    assert rows.event_time_ns.tolist() == built.panel.known_at_ns[10:20].tolist()
    assert same_bits(rows.values, built.features.values[10:20, 0])
    assert none.values.shape == (0, len(schema.names))


async def test_other_numbers_from_the_same_inputs_are_refused(build, files):
    built = await build()
    manifest_path = Path(files.path_of(built.content_hash)) / "manifest.json"
    manifest = json.loads(manifest_path.read_text())
    manifest["values_sha256"]["features"] = "0" * 64
    manifest_path.write_text(json.dumps(manifest))
    with pytest.raises(ConflictError, match="built before with other features"):
        await build()


@pytest.mark.parametrize("symbols", [(), ("BTC", "BTC")])
def test_symbols_must_be_distinct_and_given(symbols):
    with pytest.raises(InputError, match="symbols must be distinct"):
        DatasetRequest(symbols, HOUR)


def test_a_span_must_not_be_empty():
    with pytest.raises(InputError, match="since must be before until"):
        DatasetRequest(("BTC",), HOUR, since_ns=2, until_ns=2)
