"""Binary rows and arrays as PostgreSQL writes them."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.adapters.postgres.binary import array_of, epoch_ns, postgres_us, row_template

TIMES = st.lists(st.integers(-(10**15), 4 * 10**15).map(lambda us: us * 1_000), min_size=1, max_size=20)


@given(TIMES)
def test_times_survive_to_the_microsecond(times: list[int]) -> None:
    ns = np.array(times, dtype=np.int64)
    assert epoch_ns(postgres_us(ns)).tolist() == times


def test_the_epoch_of_postgres_is_the_year_2000() -> None:
    assert postgres_us(np.array([946_684_800_000_000_000])).tolist() == [0]


def test_rows_are_laid_out_as_copy_wants_them() -> None:
    rows = row_template(2, {"symbol": b"BTC", "price": ">f8", "n": ">i4"})
    rows["price"] = [1.5, -2.0]
    rows["n"] = [7, 8]
    expected = b"".join(
        struct.pack(">hi3sidii", 3, 3, b"BTC", 8, price, 4, n) for price, n in ((1.5, 7), (-2.0, 8))
    )
    assert rows.tobytes() == expected


def test_arrays_are_read_back() -> None:
    sent = struct.pack(">iiiii", 1, 0, 701, 2, 1) + struct.pack(">idid", 8, 1.25, 8, -3.0)
    assert array_of(sent, "f8").tolist() == [1.25, -3.0]
    assert array_of(None, "i8").tolist() == []
