"""Blocks hold the same rows wherever a reader's batches were cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.adapters.files import rows
from marketsentry.adapters.files.rows import BLOCK_ROWS, Parts, cut_blocks, finish
from marketsentry.core.market.records import DataKind
from marketsentry.core.market.timestamps import NO_TIME_NS, parse_time_ns


def batch(start: int, stop: int) -> Parts:
    values = np.arange(start, stop, dtype=np.int64)
    return Parts(
        {"ts_ns": values},
        np.zeros(values.size, np.uint8),
        values + 1,
        stop / 1e6,
        lambda row: f"row {start + row}",
    )


SIZES = st.lists(st.integers(1, 2 * BLOCK_ROWS), min_size=1, max_size=5)


@given(SIZES)
def test_blocks_do_not_depend_on_batches(sizes: list[int]) -> None:
    ends = np.cumsum([0, *sizes]).tolist()
    blocks = list(cut_blocks(batch(start, stop) for start, stop in pairwise(ends)))
    assert [block.line.size for block in blocks[:-1]] == [BLOCK_ROWS] * (len(blocks) - 1)
    assert np.concatenate([block.columns["ts_ns"] for block in blocks]).tolist() == list(range(ends[-1]))
    for index, block in enumerate(blocks):
        last = block.line.size - 1
        assert block.text(last) == f"row {index * BLOCK_ROWS + last}"
    whole = next(cut_blocks([batch(0, ends[-1])]))
    assert whole.content_hash(whole.reason) == blocks[0].content_hash(blocks[0].reason)


def test_the_hash_follows_values_order_and_reasons() -> None:
    one, other = next(cut_blocks([batch(0, 5)])), next(cut_blocks([batch(1, 6)]))
    bad = np.array([0, 0, 1, 0, 0], np.uint8)
    hashes = {one.content_hash(one.reason), other.content_hash(other.reason), one.content_hash(bad)}
    assert len(hashes) == 3


def test_a_day_without_a_time_is_known_at_its_end() -> None:
    noon, end = parse_time_ns("2022-05-03T12:00Z"), parse_time_ns("2022-05-04T00:00Z")
    columns = finish(
        DataKind.NEWS,
        {
            "time": np.array([noon, noon, NO_TIME_NS]),
            "title": np.array(["a", "b", "c"], dtype=object),
            "date_only": np.array(["true", "false", "true"], dtype=object),
        },
    )
    assert columns["known_at_ns"].tolist() == [end, noon, NO_TIME_NS]


def test_a_trade_is_known_when_it_was_received_but_never_before_it_happened() -> None:
    at = parse_time_ns("2024-08-08T23:54:15Z")
    columns = finish(
        DataKind.TRADES,
        {
            "time": np.array([at, at]),
            "received": np.array([at - 10**9, at + 10**9]),
            "price": np.ones(2),
            "size": np.ones(2),
            "trade_id": np.array([1, 2]),
            "buyer_is_maker": np.array(["True", "false"], dtype=object),
        },
    )
    assert columns["known_at_ns"].tolist() == [at, at + 10**9]
    assert (columns["side"].tolist(), columns["trade_id"].tolist()) == ([-1, 1], ["1", "2"])


def test_counts_of_trades_that_make_no_sense_are_zero() -> None:
    price = np.ones(3)
    raw = dict.fromkeys(("open", "high", "low", "close", "volume"), price)
    columns = finish(
        DataKind.BARS,
        {"time": np.full(3, 1_700_000_000), **raw, "trades_count": np.array([np.nan, 7.0, -3.0])},
    )
    assert columns["trades_count"].tolist() == [0, 7, 0]


def test_a_row_beyond_the_block_has_no_text() -> None:
    with pytest.raises(rows.InputError, match="below 5"):
        next(cut_blocks([batch(0, 5)])).text(5)
