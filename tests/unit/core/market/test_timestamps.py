"""Times in any unit become the same nanoseconds."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.market.timestamps import (
    NO_TIME_NS,
    datetime_to_ns,
    epoch_to_ns,
    float_epoch_to_ns,
    ns_to_datetime,
    parse_time_ns,
    texts_to_ns,
)
from marketsentry.exceptions import InputError

SECONDS = st.integers(100_000_000, 9_223_372_035)
TIMES = st.datetimes(datetime(1975, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001  (an offset is added in the tests)


@given(st.lists(st.tuples(SECONDS, st.sampled_from([1, 10**3, 10**6, 10**9])), min_size=1, max_size=30))
def test_each_number_is_judged_by_its_own_size(times: list[tuple[int, int]]) -> None:
    values = np.array([seconds * scale for seconds, scale in times], dtype=np.int64)
    assert epoch_to_ns(values).tolist() == [seconds * 10**9 for seconds, _ in times]


def test_the_change_of_unit_inside_one_archive_is_seen() -> None:
    ms, us = 1_735_689_599_000, 1_735_689_600_000_000  # Binance spot, last second of 2024 and first of 2025
    assert np.diff(epoch_to_ns(np.array([ms, us]))) == 10**9


@pytest.mark.parametrize("value", [-1, 0, 1, 20_240_101, 99_999_999])
def test_a_small_number_is_no_time(value: int) -> None:
    assert epoch_to_ns(np.array([value])) == NO_TIME_NS


def test_fractions_of_a_second_are_kept_to_the_microsecond() -> None:
    times = np.array([1_609_459_200.123456, 1_609_459_200_123.0, np.nan, np.inf, 1e300])
    assert float_epoch_to_ns(times).tolist() == [
        1_609_459_200_123_456_000,
        1_609_459_200_123_000_000,
        NO_TIME_NS,
        NO_TIME_NS,
        NO_TIME_NS,
    ]


@given(TIMES, st.integers(-14 * 60, 14 * 60))
def test_the_same_moment_in_two_offsets_is_one_time(at: datetime, minutes: int) -> None:
    aware = at.replace(tzinfo=UTC)
    elsewhere = aware.astimezone(timezone(timedelta(minutes=minutes)))
    assert texts_to_ns([aware.isoformat(), elsewhere.isoformat()]).tolist() == [datetime_to_ns(aware)] * 2


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-01T12:00:00Z",
        "2024-03-01 12:00:00",
        "2024-03-01T12:00",
        "2024-03-01 12:00:00 UTC",
        '"2024-03-01T13:00:00+01:00"',
        "1709294400",
        "1709294400000",
        "1709294400.0",
    ],
)
def test_text_is_read_in_every_usual_form(text: str) -> None:
    assert parse_time_ns(text) == 1_709_294_400 * 10**9


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "12", "nan"])
def test_other_text_is_no_time(text: str) -> None:
    assert texts_to_ns([text, None]).tolist() == [NO_TIME_NS, NO_TIME_NS]
    with pytest.raises(InputError, match="time must be ISO-8601"):
        parse_time_ns(text)


@given(TIMES)
def test_datetimes_survive_the_way_there_and_back(at: datetime) -> None:
    aware = at.replace(tzinfo=UTC)
    assert ns_to_datetime(datetime_to_ns(aware)) == aware


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(InputError, match="offset"):
        datetime_to_ns(datetime(2024, 1, 1))  # noqa: DTZ001  (that is the point)
