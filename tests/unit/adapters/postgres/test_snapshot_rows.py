"""The COPY bytes of feature snapshots can be read field by field and lose nothing."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.adapters.postgres.snapshot_rows import jsonb_order, snapshot_rows
from marketsentry.exceptions import InputError

NAMES = ("ret_1", "event_decay", "vol_é", "b", 'quo"te')
NUMBERS = st.one_of(
    st.floats(allow_infinity=False, width=64), st.just(-0.0), st.just(5e-324), st.just(1e-300)
)


def parse_rows(data, n_rows):
    """Read the stream back, field by field, checking every length."""
    rows, at = [], 0
    for _ in range(n_rows):
        (count,) = struct.unpack_from(">h", data, at)
        at += 2
        fields = []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", data, at)
            fields.append(bytes(data[at + 4 : at + 4 + size]))
            at += 4 + size
        rows.append(fields)
    assert at == len(data)
    return rows


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 6), st.just(len(NAMES))), elements=NUMBERS))
def test_every_number_comes_back_bit_equal_under_its_name(values):
    ids = np.arange(len(values), dtype=np.int64) - 2
    rows = parse_rows(
        bytes(snapshot_rows({"target": b"BTC", "id": ids, "version": b"v1"}, NAMES, values)), len(values)
    )
    for r, (target, number, version, payload) in enumerate(rows):
        assert (target, number, version) == (b"BTC", struct.pack(">q", r - 2), b"v1")
        assert payload[0] == 1
        parsed = json.loads(payload[1:])
        back = np.array([np.nan if parsed[name] is None else parsed[name] for name in NAMES])
        np.testing.assert_array_equal(
            back.view(np.uint64)[~np.isnan(back)], values[r].view(np.uint64)[~np.isnan(back)]
        )
        np.testing.assert_array_equal(np.isnan(back), np.isnan(values[r]))


def test_keys_come_in_the_order_of_jsonb():
    assert [NAMES[i] for i in jsonb_order(NAMES)] == ["b", "ret_1", 'quo"te', "vol_é", "event_decay"]
    (row,) = parse_rows(bytes(snapshot_rows({}, NAMES, np.ones((1, len(NAMES))))), 1)
    assert list(json.loads(row[0][1:])) == ["b", "ret_1", 'quo"te', "vol_é", "event_decay"]


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_an_infinite_feature_is_refused_by_name(bad):
    values = np.zeros((3, 2))
    values[1, 1] = bad
    with pytest.raises(InputError, match=r"feature b must be finite or NaN, was -?inf in row 1"):
        snapshot_rows({"target": b"BTC"}, ("a", "b"), values)


def test_no_rows_are_no_bytes():
    assert bytes(snapshot_rows({"target": b"BTC"}, ("a",), np.empty((0, 1)))) == b""
