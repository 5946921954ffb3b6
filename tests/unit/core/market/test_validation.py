"""One reason per bad row, none for a good one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.validation import Reason, check_bars, check_funding, check_news, check_trades
from marketsentry.exceptions import InputError

MINUTE = parse_interval("1m")
NOW = 1_700_000_000 * 10**9
TS = NOW - NOW % MINUTE.ns - 10 * MINUTE.ns
GOOD = (TS, 10.0, 12.0, 9.0, 11.0, 5.0)


def judge(*row: float) -> Reason:
    reasons = check_bars(np.array([int(row[0])]), np.array([row[1:]]), interval=MINUTE, now_ns=NOW)
    return Reason(int(reasons[0]))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (GOOD, Reason.OK),
        ((TS, 10.0, 10.0, 10.0, 10.0, 0.0), Reason.OK),
        ((TS, 1e-12, 1e12, 1e-12, 1.0, 1e15), Reason.OK),
        ((-5, *GOOD[1:]), Reason.BAD_TIME),
        ((0, *GOOD[1:]), Reason.BAD_TIME),
        ((TS + 10 * MINUTE.ns, *GOOD[1:]), Reason.FUTURE_TIME),
        ((TS + 10**9, *GOOD[1:]), Reason.OFF_GRID),
        ((TS, math.nan, 12.0, 9.0, 11.0, 5.0), Reason.NOT_FINITE),
        ((TS, 10.0, math.inf, 9.0, 11.0, 5.0), Reason.NOT_FINITE),
        ((TS, 10.0, 12.0, 9.0, 11.0, math.nan), Reason.NOT_FINITE),
        ((TS, -10.0, 12.0, -10.0, 11.0, 5.0), Reason.PRICE_NOT_POSITIVE),
        ((TS, 10.0, 12.0, 0.0, 11.0, 5.0), Reason.PRICE_NOT_POSITIVE),
        ((TS, 10.0, 8.0, 9.0, 8.5, 5.0), Reason.HIGH_BELOW_LOW),
        ((TS, 13.0, 12.0, 9.0, 11.0, 5.0), Reason.PRICE_OUTSIDE_RANGE),
        ((TS, 10.0, 12.0, 9.0, 8.0, 5.0), Reason.PRICE_OUTSIDE_RANGE),
        ((TS, 10.0, 12.0, 9.0, 11.0, -1.0), Reason.NEGATIVE_VOLUME),
    ],
)
def test_every_kind_of_bad_bar_has_its_reason(row: tuple[float, ...], reason: Reason) -> None:
    assert judge(*row) is reason


def test_a_bar_is_from_the_future_until_it_has_closed() -> None:
    closes_now = NOW // MINUTE.ns * MINUTE.ns
    at_close = check_bars(
        np.array([closes_now - MINUTE.ns, closes_now]),
        np.array([GOOD[1:], GOOD[1:]]),
        interval=MINUTE,
        now_ns=closes_now,
    )
    assert at_close.tolist() == [Reason.OK, Reason.FUTURE_TIME]


NUMBERS = st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0, math.nan, math.inf, -math.inf])


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_what_passes_is_what_the_words_say(rows: list[tuple[float, ...]]) -> None:
    reasons = check_bars(np.full(len(rows), TS), np.array(rows), interval=MINUTE, now_ns=NOW)
    for (opened, high, low, close, volume), reason in zip(rows, reasons, strict=True):
        is_good = (
            all(math.isfinite(x) for x in (opened, high, low, close, volume))
            and min(opened, high, low, close) > 0
            and low <= opened <= high
            and low <= close <= high
            and volume >= 0
        )
        assert (reason == Reason.OK) == is_good


def test_shapes_must_fit() -> None:
    with pytest.raises(InputError, match=r"shape \(2, 5\)"):
        check_bars(np.array([TS, TS]), np.ones((1, 5)), interval=MINUTE, now_ns=NOW)


def test_trades_need_time_price_size_and_id() -> None:
    n = 6
    ts = np.full(n, TS)
    price, size, has_id = np.ones(n), np.ones(n), np.ones(n, dtype=bool)
    ts[1], price[2], size[3], has_id[4], price[5] = NOW + 1, -1, 0, False, math.nan
    assert check_trades(ts, price, size, has_id, now_ns=NOW).tolist() == [
        Reason.OK,
        Reason.FUTURE_TIME,
        Reason.PRICE_NOT_POSITIVE,
        Reason.SIZE_NOT_POSITIVE,
        Reason.MISSING_ID,
        Reason.NOT_FINITE,
    ]


def test_a_funding_rate_beyond_the_position_is_another_unit() -> None:
    rates = np.array([0.0001, -0.0075, 0.0, 1.5, math.nan])
    assert check_funding(np.full(5, TS), rates, now_ns=NOW).tolist() == [
        Reason.OK,
        Reason.OK,
        Reason.OK,
        Reason.RATE_OUT_OF_RANGE,
        Reason.NOT_FINITE,
    ]


def test_news_needs_a_past_time_and_a_title() -> None:
    found = check_news(np.array([TS, NOW + 1, TS]), np.array([True, True, False]), now_ns=NOW)
    assert found.tolist() == [Reason.OK, Reason.FUTURE_TIME, Reason.EMPTY_TITLE]
