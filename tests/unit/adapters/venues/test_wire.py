"""Numbers and times go to a venue and come back as they were; what cannot be read is not guessed."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.adapters.venues.wire import (
    decimal_of,
    instant_of,
    instant_of_ms,
    iso,
    ms_of,
    plain,
    rows_of,
    step_of,
    text_of,
)
from marketsentry.ports.venue import OutcomeUnknownError

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=18)


@given(NUMBERS)
def test_a_number_comes_back_as_it_was(number):
    text = plain(number)
    assert decimal_of({"x": text}, "x") == number
    assert "E" not in text.upper()
    assert not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E-8", "0.00000001"), ("1E+2", "100"), ("25.00", "25"), ("10", "10"), ("0.050", "0.05")],
)
def test_how_a_number_is_written(number, text):
    assert plain(Decimal(number)) == text


@pytest.mark.parametrize("bad", [None, "", "abc", "NaN", "Infinity", 0.1, True, {}, "1,5"])
def test_what_is_no_number_is_not_guessed(bad):
    if bad is True:
        bad = [True]
    with pytest.raises(OutcomeUnknownError, match="x must be"):
        decimal_of({"x": bad}, "x")


def test_what_may_be_missing_has_a_meaning():
    assert decimal_of({}, "x", Decimal(0)) == decimal_of({"x": ""}, "x", Decimal(0)) == 0
    assert (step_of("2"), step_of("0")) == (Decimal("0.01"), Decimal(1))


@given(st.datetimes(min_value=datetime(2015, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - made aware next
def test_a_time_comes_back_to_the_millisecond(naive):
    at = naive.replace(tzinfo=UTC)
    whole = at - timedelta(microseconds=at.microsecond % 1_000)
    assert instant_of({"t": iso(at)}, "t") == whole
    assert instant_of_ms({"t": str(ms_of(at))}, "t") == whole


def test_times_of_venues():
    row = {
        "nano": "2023-01-18T01:37:38.091377090Z",
        "short": "2021-02-12T01:09:23.3Z",
        "whole": "2021-02-12T01:09:23Z",
    }
    assert instant_of(row, "nano") == datetime(2023, 1, 18, 1, 37, 38, 91377, tzinfo=UTC)
    assert instant_of(row, "short").microsecond == 300_000
    assert instant_of(row, "whole").tzinfo is UTC
    for offset in ("2026-01-01T00:00:00.123456789-05:00", "2026-01-01T10:30:00.123456+05:30"):
        assert instant_of({"t": offset}, "t") == datetime(2026, 1, 1, 5, 0, 0, 123456, tzinfo=UTC)
    at = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert iso(at) == "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize("bad", ["", None, "yesterday", "12:00"])
def test_what_is_no_time_is_not_guessed(bad):
    with pytest.raises(OutcomeUnknownError):
        instant_of({"t": bad}, "t")


def test_shapes_are_checked():
    assert rows_of(None, "rows") == []
    for bad in ({}, [1], "x"):
        with pytest.raises(OutcomeUnknownError):
            rows_of(bad, "rows")
    with pytest.raises(OutcomeUnknownError):
        text_of({"id": {}}, "id")
