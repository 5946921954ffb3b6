"""A dataset's files are verified when they are read."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.core.dataset import content_hash
from marketsentry.core.features.context import ContextInputs, KnownSeries
from marketsentry.core.market.events import EventSeries
from marketsentry.exceptions import ConflictError, NotFoundError


async def test_a_changed_file_is_named(build, files):
    built = await build(with_snapshots=False)
    path = Path(files.path_of(built.content_hash)) / "labels.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConflictError, match=r"labels\.parquet of dataset"):
        files.load(built.content_hash)
    path.unlink()
    with pytest.raises(ConflictError, match=r"labels\.parquet of dataset .* has SHA-256 None"):
        files.load(built.content_hash)


async def test_a_manifest_of_another_dataset_is_refused(build, files):
    built = await build(with_snapshots=False)
    place = Path(files.path_of(built.content_hash))
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["parts"]["code"] = "another"
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ConflictError, match="belongs to another"):
        files.load(built.content_hash)
    place.rename(place.with_name("b" * 64))
    with pytest.raises(ConflictError, match="belongs to another"):
        files.load("b" * 64)
    with pytest.raises(NotFoundError, match="there is no dataset"):
        files.load(built.content_hash)


async def test_every_context_input_comes_back(build, files):
    built = await build(with_snapshots=False)
    times = np.array([1, 5, 5, 9], dtype=np.int64)
    empty = KnownSeries(np.empty(0, np.int64), np.empty(0))
    events = EventSeries(
        "ETH",
        occurred_at_ns=times - 1,
        known_at_ns=times,
        event_type=np.array([0, 4, 2, 1], dtype=np.int8),
        source_tier=np.array([1, 2, 3, 3], dtype=np.int8),
        importance=np.array([0.1, 0.2, 0.3, 0.4]),
        confidence=np.array([0.5, 0.25, 1 / 3, 1.0]),
        novelty=np.array([0.0, 1.0, 0.5, 0.75]),
    )
    inputs = ContextInputs(
        funding={"BTC": KnownSeries(times, np.array([1e-4, -1e-4, 5e-324, 0.1])), "ETH": empty},
        onchain={"ETH": KnownSeries(times, np.array([4.0, 3.0, 2.0, 1.0]))},
        events={"ETH": events},
    )
    parts = {"a": "b"}
    other = replace(built, inputs=inputs, parts=parts, content_hash=content_hash(parts))
    files.save(other, {})
    loaded = files.load(other.content_hash).inputs
    assert list(loaded.funding) == ["BTC", "ETH"]
    assert (list(loaded.imbalance), list(loaded.onchain), list(loaded.events)) == ([], ["ETH"], ["ETH"])
    assert loaded.funding["ETH"].values.size == 0
    np.testing.assert_array_equal(loaded.funding["BTC"].values, inputs.funding["BTC"].values)
    for name in EventSeries.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(loaded.events["ETH"], name), getattr(events, name))
    assert loaded.events["ETH"].event_type.dtype == np.int8


async def test_years_of_fine_bars_fit_into_the_writers_memory(build, tmp_path):
    """Five years of 5m bars x 95 features of several symbols are many times what the Parquet writer may hold."""
    built = await build(with_snapshots=False)
    n_bars = 500_000
    panel, rng = built.panel, np.random.default_rng(3)
    ts_ns = panel.ts_ns[0] + panel.interval.ns * np.arange(n_bars, dtype=np.int64)
    n_symbols, n_features = built.features.values.shape[1:]
    values = rng.standard_normal((n_bars, n_symbols, n_features))
    rows = np.arange(n_bars) % panel.n_bars
    large = replace(
        built,
        panel=replace(panel, ts_ns=ts_ns, values=panel.values[rows], state=panel.state[rows]),
        features=replace(built.features, ts_ns=ts_ns, values=values),
        labels={name: label[rows] for name, label in built.labels.items()},
    )
    store = ParquetDatasets(tmp_path / "large")
    store.save(large, {})
    assert store.load(large.content_hash).features.values[-1].tolist() == values[-1].tolist()
