"""Snapshots read back are the matrix that was written, placed by the time of the bar."""

import numpy as np
import pytest

from marketsentry.exceptions import NotFoundError
from marketsentry.services.snapshots import load_features
from small_market import HOUR, START_NS


async def test_the_matrix_comes_back_bit_for_bit(build, market):
    built = await build()
    matrix = await load_features(("ETH", "BTC"), HOUR, built.features.schema, transactions=market)
    np.testing.assert_array_equal(matrix.ts_ns, built.panel.ts_ns)
    expected = built.features.values[:, ::-1]
    missing = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(matrix.values), missing)
    np.testing.assert_array_equal(matrix.values[~missing].view(np.uint64), expected[~missing].view(np.uint64))


async def test_a_span_is_read_by_bar_end(build, market):
    built = await build()
    start, stop = START_NS + 310 * HOUR.ns, START_NS + 320 * HOUR.ns
    matrix = await load_features(
        ("BTC", "ETH"), HOUR, built.features.schema, transactions=market, start_ns=start, stop_ns=stop
    )
    assert matrix.ts_ns.tolist() == (START_NS + HOUR.ns * np.arange(309, 319)).tolist()
    np.testing.assert_array_equal(matrix.values, built.features.values[309:319])


async def test_what_is_not_there_is_named(build, market):
    built = await build(("BTC",))
    schema = built.features.schema
    with pytest.raises(NotFoundError, match="no 1h features of ETH in data version v1"):
        await load_features(("BTC", "ETH"), HOUR, schema, transactions=market)
    with pytest.raises(NotFoundError, match="lie in the span"):
        await load_features(("BTC",), HOUR, schema, transactions=market, stop_ns=START_NS)
