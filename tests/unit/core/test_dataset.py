"""Flattening, masks and names of datasets, without any file or database."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.dataset import (
    AllBlockedError,
    BlockedSymbol,
    Dataset,
    content_hash,
    dataset_parts,
    horizon_bars,
    inputs_known_by,
    make_labels,
    mask_features,
    training_rows,
    values_hash,
)
from marketsentry.core.features.context import ContextInputs, KnownSeries
from marketsentry.core.features.matrix import FeatureMatrix
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.core.lineage import first_difference
from marketsentry.core.market.bars import BarPanel, BarState
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import DataQualityError, InputError

HOUR = parse_interval("1h")
SCHEMA = FeatureSchema("v1", tuple(FeatureDef(name, "d", "u", 0, "bars", "m") for name in ("a", "b", "c")))


def make_panel(state: np.ndarray, *, seed: int = 0) -> BarPanel:
    n_bars, n_symbols = state.shape
    values = 1.0 + np.random.default_rng(seed).random((n_bars, n_symbols, 5))
    values[state > BarState.NO_TRADE] = np.nan
    names = tuple(f"S{n}" for n in range(n_symbols))
    ts_ns = HOUR.ns * np.arange(1, n_bars + 1, dtype=np.int64)
    return BarPanel(names, HOUR, ("synthetic",) * n_symbols, ts_ns, values, state.astype(np.uint8))


def make_dataset(state: np.ndarray, *, seed: int = 0) -> Dataset:
    panel = make_panel(state, seed=seed)
    values = np.random.default_rng(seed + 1).standard_normal((*state.shape, 3))
    values[np.random.default_rng(seed + 2).random(values.shape) < 0.2] = np.nan
    features = FeatureMatrix(panel.symbols, HOUR, panel.ts_ns, values, SCHEMA)
    mask_features(features, panel)
    parts = dataset_parts(panel, ContextInputs(), SCHEMA, code_version="code", data_version="v1")
    return Dataset(panel, features, make_labels(panel), ContextInputs(), parts, content_hash(parts), "v1")


def naive_rows(dataset: Dataset, horizon: str) -> list[tuple[int, int, float, list[float]]]:
    found = []
    for t in range(dataset.panel.n_bars):
        for n in range(len(dataset.panel.symbols)):
            label = dataset.labels[horizon][t, n]
            if dataset.panel.state[t, n] in (0, 1) and np.isfinite(label):
                found.append((t, n, float(label), dataset.features.values[t, n].tolist()))
    return found


states = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=1, max_size=4)
)


@settings(deadline=None)
@given(states)
def test_flattening_agrees_with_the_definition(columns):
    dataset = make_dataset(np.array(columns).T)
    for horizon in dataset.labels:
        rows = training_rows(dataset, horizon)
        expected = naive_rows(dataset, horizon)
        assert list(zip(rows.bar.tolist(), rows.symbol.tolist(), strict=True)) == [
            row[:2] for row in expected
        ]
        np.testing.assert_array_equal(rows.label, [row[2] for row in expected])
        np.testing.assert_array_equal(rows.values, np.array([row[3] for row in expected]).reshape(-1, 3))


@settings(deadline=None)
@given(states, st.integers(0, 12), st.integers(0, 12))
def test_rows_of_a_span_are_the_rows_of_its_bars(columns, start, stop):
    rows = training_rows(make_dataset(np.array(columns).T), "1h")
    part = rows.between(start, max(start, stop))
    inside = (rows.bar >= start) & (rows.bar < stop)
    np.testing.assert_array_equal(part.bar, rows.bar[inside])
    np.testing.assert_array_equal(part.values, rows.values[inside])
    np.testing.assert_array_equal(part.label, rows.label[inside])
    np.testing.assert_array_equal(part.symbol, rows.symbol[inside])
    assert part.values.size == 0 or part.values.base is not None


def test_a_cell_without_a_bar_has_no_features_and_zero_has_no_sign():
    panel = make_panel(np.array([[0, 2], [1, 3]]))
    values = np.full((2, 2, 3), -0.0)
    mask_features(FeatureMatrix(panel.symbols, HOUR, panel.ts_ns, values, SCHEMA), panel)
    assert np.isnan(values[:, 1]).all()
    assert (values[:, 0] == 0.0).all()
    assert not np.signbit(values[:, 0]).any()


def test_horizons_are_those_the_bars_divide():
    assert horizon_bars(parse_interval("5m")) == {"1h": 12, "4h": 48, "1d": 288, "7d": 2016}
    assert horizon_bars(parse_interval("3h")) == {"1d": 8, "7d": 56}
    assert horizon_bars(parse_interval("1d")) == {"1d": 1, "7d": 7}
    assert horizon_bars(parse_interval("11s")) == {}


def test_labels_end_where_the_horizon_leaves_the_history():
    dataset = make_dataset(np.zeros((10, 2), dtype=int))
    close = dataset.panel.close
    np.testing.assert_array_equal(dataset.labels["1h"][:-1], close[1:] / close[:-1] - 1.0)
    assert np.isnan(dataset.labels["1h"][-1]).all()
    assert np.isnan(dataset.labels["4h"][-4:]).all()
    assert np.isnan(dataset.labels["7d"]).all()
    assert training_rows(dataset, "4h").bar.max() == 5
    with pytest.raises(InputError, match="horizon must be one of 1h, 4h, 1d, 7d, was 2h"):
        training_rows(dataset, "2h")


def test_every_part_moves_the_name_and_says_which():
    panel = make_panel(np.zeros((5, 2), dtype=int))
    rate = KnownSeries(np.array([HOUR.ns]), np.array([1e-4]))
    inputs = ContextInputs(funding={"S0": rate})
    base = dataset_parts(panel, inputs, SCHEMA, code_version="c", data_version="v1")
    again = dataset_parts(
        make_panel(np.zeros((5, 2), dtype=int)), inputs, SCHEMA, code_version="c", data_version="v1"
    )
    assert content_hash(base) == content_hash(again)
    other_schema = FeatureSchema("v2", SCHEMA.features)
    lost = np.zeros((5, 2), dtype=int)
    lost[2, 1] = BarState.NO_TRADE
    other_rate = KnownSeries(rate.known_at_ns, np.array([2e-4]))
    changed = {
        "bars": dataset_parts(make_panel(lost), inputs, SCHEMA, code_version="c", data_version="v1"),
        "context": dataset_parts(
            panel, ContextInputs(funding={"S0": other_rate}), SCHEMA, code_version="c", data_version="v1"
        ),
        "feature_schema": dataset_parts(panel, inputs, other_schema, code_version="c", data_version="v1"),
        "code": dataset_parts(panel, inputs, SCHEMA, code_version="d", data_version="v1"),
        "data_version": dataset_parts(panel, inputs, SCHEMA, code_version="c", data_version="v2"),
    }
    for part, parts in changed.items():
        assert first_difference(base, parts) == part
        assert content_hash(parts) != content_hash(base)


def test_what_was_computed_has_hashes_of_its_own():
    dataset = make_dataset(np.zeros((30, 2), dtype=int))
    before = values_hash(dataset)
    assert set(before) == {"features", "label_1h", "label_4h", "label_1d", "label_7d"}
    dataset.labels["4h"][3, 1] += 1e-12
    assert first_difference(before, values_hash(dataset)) == "label_4h"


def test_inputs_are_cut_at_the_knowledge_of_the_last_bar():
    series = KnownSeries(np.array([1, 5, 5, 9]), np.array([0.1, 0.2, 0.3, 0.4]))
    cut = inputs_known_by(ContextInputs(funding={"A": series, "B": series}), ("A",), 5)
    assert list(cut.funding) == ["A"]
    assert cut.funding["A"].known_at_ns.tolist() == [1, 5, 5]
    assert cut.funding["A"].values.tolist() == [0.1, 0.2, 0.3]


def test_shapes_must_fit_the_panel():
    dataset = make_dataset(np.zeros((30, 2), dtype=int))
    short = {"1h": dataset.labels["1h"][1:]}
    with pytest.raises(InputError, match=r"labels of 1h must have shape \(30, 2\), was \(29, 2\)"):
        Dataset(
            dataset.panel, dataset.features, short, dataset.inputs, dataset.parts, dataset.content_hash, "v1"
        )


def test_all_blocked_says_why_of_each():
    error = AllBlockedError([BlockedSymbol("BTC", "missing_rate_exceeded", {"missing_rate": 0.5})])
    assert isinstance(error, DataQualityError)
    assert str(error) == "blocked_by_data_quality, no symbol is left: BTC: missing_rate_exceeded"
    assert error.blocked[0].as_dict() == {
        "symbol": "BTC",
        "status": "blocked_by_data_quality",
        "reason": "missing_rate_exceeded",
        "data_quality": {"missing_rate": 0.5},
    }
