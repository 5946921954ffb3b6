"""Downloads against a venue on loopback and a real record."""

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from marketsentry.adapters.venues.candles import open_candle_venue
from marketsentry.core.gates.data_quality import QualityLimits
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import Market
from marketsentry.core.market.synthetic import make_market
from marketsentry.exceptions import ConflictError, DependencyError, InputError
from marketsentry.services.download import DownloadRequest, download_bars
from marketsentry.services.pacing import Pace
from marketsentry.services.quality import AuditRequest, audit_stored
from marketsentry.simexchange.candles import Candle, CandleExchange, Listing
from marketsentry.simexchange.faults import Fault, FaultSchedule
from marketsentry.simexchange.protocols import BinanceProtocol, BitgetProtocol, CoinbaseProtocol

M5 = parse_interval("5m")
DAY = parse_interval("1d")
N = 2_000
SERIES = make_market(seed=5, symbols=("BTC",), interval=M5, n_bars=N).series[0]
START_NS = int(SERIES.ts_ns[0])
END_NS = START_NS + N * M5.ns


class SteppingClock:
    """A clock that a test moves."""

    def __init__(self, at_ns):
        self.at_ns = at_ns

    def now(self):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.at_ns // 1_000)


def candle(ts_ns, row):
    return Candle(int(ts_ns) // 10**6, *(float(value) for value in row))


def listings(quote="USD", *, lost=(), base="BTC"):
    """The series as a venue has it, and its daily candles."""
    rows = [n for n in range(N) if n not in set(lost)]
    fine = [candle(SERIES.ts_ns[n], SERIES.values[n]) for n in rows]
    days = sorted({int(SERIES.ts_ns[n]) // DAY.ns * DAY.ns for n in rows})
    daily = [candle(day, SERIES.values[0]) for day in days]
    return [Listing(base, quote, {300: fine, 86_400: daily})]


def patient(venue, max_attempts=8):
    async def no_nap(_):
        pass

    return Pace(min_delay_s=0, rng=np.random.default_rng(0), sleep=no_nap, max_attempts=max_attempts)


async def fetch(
    transactions, server, *, venue="coinbase", clock=None, since_ns=START_NS, until_ns=None, **options
):
    clock = clock or SteppingClock(END_NS + M5.ns // 2)
    request = DownloadRequest(("BTC",), M5, since_ns, until_ns, options.get("as_symbol"))
    async with open_candle_venue(venue, Market.SPOT, base_url=server.url, timeout_s=0.5) as opened:
        pace = patient(opened, options.get("max_attempts", 8))
        done = await download_bars(request, venue=opened, transactions=transactions, clock=clock, pace=pace)
    return done[0]


def coinbase(*, lost=(), now_ns=END_NS + M5.ns // 2, **options):
    return CandleExchange(CoinbaseProtocol(), listings(lost=lost), now_s=lambda: now_ns / 10**9, **options)


async def stored(transactions, symbol="BTC-USD"):
    async with transactions() as stores:
        return await stores.bars.load(symbol, M5), await stores.bars.load_no_trade(symbol, M5)


async def test_all_bars_arrive_exactly(transactions):
    async with coinbase() as server:
        done = await fetch(transactions, server)
    bars, no_trade = await stored(transactions)
    np.testing.assert_array_equal(bars.ts_ns, SERIES.ts_ns)
    np.testing.assert_array_equal(bars.values, SERIES.values)
    assert bars.source == done.source == "coinbase_spot"
    assert no_trade.size == 0
    assert (done.n_inserted, done.n_updated, done.gaps_ns.size) == (N, 0, 0)


@pytest.mark.parametrize(
    ("venue", "protocol", "quote", "n_load"),
    [
        ("coinbase", CoinbaseProtocol, "USD", 2),
        ("bitget", BitgetProtocol, "USDT", 2),
        ("binance", BinanceProtocol, "USDT", 1),
    ],
)
async def test_nothing_is_lost_or_doubled_whatever_the_venue_does(
    transactions, venue, protocol, quote, n_load
):
    first = [Fault.TIMEOUT, Fault.SHORT, Fault.TOO_MANY, Fault.UNORDERED, Fault.DUPLICATE, Fault.SHORT]
    kinds = [fault for fault in Fault if fault not in (Fault.BLOCKED, Fault.TIMEOUT)]
    faults = FaultSchedule(script=[None] * n_load + first, rates=dict.fromkeys(kinds, 0.11), seed=11)
    now_s = (END_NS + M5.ns // 2) / 10**9
    async with CandleExchange(protocol(), listings(quote), faults=faults, now_s=lambda: now_s) as server:
        done = await fetch(transactions, server, venue=venue)
        struck = {outcome for _, _, outcome in server.requests} - {"200"}
    assert len(struck) >= 3
    bars, _ = await stored(transactions, done.symbol)
    np.testing.assert_array_equal(bars.ts_ns, SERIES.ts_ns)
    np.testing.assert_array_equal(bars.values, SERIES.values)
    assert done.n_inserted == N
    assert done.n_retries > 0


async def test_bars_that_coinbase_left_out_had_no_trade_and_those_that_binance_lacks_are_lost(transactions):
    quiet = [*range(100, 110), 500, *range(1_500, 1_820)]  # the last run is longer than a page
    async with coinbase(lost=quiet) as server:
        done = await fetch(transactions, server)
    _, no_trade = await stored(transactions)
    np.testing.assert_array_equal(no_trade, SERIES.ts_ns[quiet])
    assert done.n_no_trade == len(quiet)
    assert done.gaps_ns.size == 0
    now_s = (END_NS + M5.ns // 2) / 10**9
    spot = listings("USDT", lost=quiet)
    async with CandleExchange(BinanceProtocol(), spot, now_s=lambda: now_s) as server:
        done = await fetch(transactions, server, venue="binance")
    _, no_trade = await stored(transactions, "BTC")
    assert no_trade.size == done.n_no_trade == 0
    spans = [(int((a - START_NS) // M5.ns), int((b - START_NS) // M5.ns)) for a, b in done.gaps_ns]
    assert spans == [(100, 110), (500, 501), (1_500, 1_820)]


async def test_lost_bars_block_and_no_trade_bars_do_not(transactions):
    holes = range(900, 1_000)
    async with coinbase(lost=holes) as server:
        await fetch(transactions, server)
    now_s = (END_NS + M5.ns // 2) / 10**9
    spot = listings("USDT", lost=holes)
    async with CandleExchange(BinanceProtocol(), spot, now_s=lambda: now_s) as server:
        await fetch(transactions, server, venue="binance")
    audits = await audit_stored(AuditRequest(), transactions=transactions, limits=QualityLimits())
    assert {audit.symbol: audit.verdict.reasons for audit in audits} == {
        "BTC": ("missing_rate_exceeded",),
        "BTC-USD": (),
    }


async def test_the_unfinished_bar_never_enters(transactions):
    """The venue serves it; neither our clock nor the venue's, whichever is behind, lets it in."""
    middle_ns = START_NS + 600 * M5.ns + M5.ns // 3
    for ours_ns, theirs_ns in ((middle_ns, END_NS), (END_NS, middle_ns)):
        async with coinbase(now_ns=theirs_ns) as server:
            await fetch(transactions, server, clock=SteppingClock(ours_ns))
        bars, _ = await stored(transactions)
        assert bars.ts_ns[-1] == START_NS + 599 * M5.ns


async def test_a_later_run_goes_on_from_where_the_first_stopped(transactions):
    clock = SteppingClock(START_NS + 1_000 * M5.ns)
    async with coinbase(now_ns=clock.at_ns) as server:
        first = await fetch(transactions, server, clock=clock)
    clock.at_ns = END_NS
    async with coinbase(now_ns=END_NS) as server:
        second = await fetch(transactions, server, clock=clock)
        pages = [query for path, query, _ in server.requests if path.endswith("candles")]
    assert first.n_inserted == 1_000
    assert second.resumed_from_ns == START_NS + 1_000 * M5.ns
    assert (second.n_inserted, second.n_updated) == (1_000, 0)
    assert min(int(query["start"]) for query in pages) * 10**9 >= second.resumed_from_ns
    bars, _ = await stored(transactions)
    np.testing.assert_array_equal(bars.ts_ns, SERIES.ts_ns)


async def test_a_finished_range_is_not_asked_for_again(transactions):
    until_ns = START_NS + 500 * M5.ns
    async with coinbase() as server:
        await fetch(transactions, server, until_ns=until_ns)
        n_pages = server.n_pages
        again = await fetch(transactions, server, until_ns=until_ns)
        assert server.n_pages == n_pages
    assert again.n_inserted == 0
    assert again.resumed_from_ns == until_ns


async def test_bars_published_late_are_asked_for_again(transactions):
    """The newest bars are missing at first; the next run brings them although the clock has passed them."""
    clock = SteppingClock(START_NS + 1_000 * M5.ns)
    async with coinbase(lost=range(990, N), now_ns=clock.at_ns) as server:
        first = await fetch(transactions, server, clock=clock)
    assert first.n_no_trade == 0
    async with coinbase(now_ns=clock.at_ns) as server:
        second = await fetch(transactions, server, clock=clock)
    assert second.n_inserted == 10


async def test_a_failure_for_good_keeps_what_was_stored(transactions):
    faults = FaultSchedule(script=[None] * 22 + [Fault.SERVER_ERROR] * 9)
    until_ns = END_NS
    async with CandleExchange(
        BitgetProtocol(), _hourly(), faults=faults, now_s=lambda: END_NS / 10**9
    ) as server:
        with pytest.raises(DependencyError, match=r"bitget.*gave up after 3 tries"):
            await _hours(transactions, server, until_ns)
        async with transactions() as stores:
            before = (await stores.bars.load("BTC", HOUR)).ts_ns.size
        done = await _hours(transactions, server, until_ns, max_attempts=8)
    async with transactions() as stores:
        bars = await stores.bars.load("BTC", HOUR)
    assert 0 < before < bars.ts_ns.size == N_HOURS
    assert done.n_inserted == N_HOURS - before


HOUR = parse_interval("1h")
N_HOURS = 5_000
HOURS_NS = START_NS - N_HOURS * HOUR.ns


def _hourly():
    series = make_market(seed=9, symbols=("BTC",), interval=HOUR, n_bars=N_HOURS, start_ns=HOURS_NS).series[0]
    candles = [candle(ts, row) for ts, row in zip(series.ts_ns, series.values, strict=True)]
    return [Listing("BTC", "USDT", {3_600: candles})]


async def _hours(transactions, server, until_ns, max_attempts=3):
    request = DownloadRequest(("BTC",), HOUR, HOURS_NS, START_NS)
    async with open_candle_venue("bitget", Market.SPOT, base_url=server.url) as opened:
        done = await download_bars(
            request,
            venue=opened,
            transactions=transactions,
            clock=SteppingClock(until_ns),
            pace=patient(opened, max_attempts),
        )
    return done[0]


async def test_years_before_the_listing_are_skipped_with_daily_candles(transactions):
    since_ns = START_NS - 3 * 365 * DAY.ns
    async with coinbase() as server:
        done = await fetch(transactions, server, since_ns=since_ns)
        assert server.n_pages < 25
    assert done.n_inserted == N
    assert done.n_no_trade == 0
    assert done.first_ns == START_NS


async def test_a_market_that_never_traded_ends(transactions):
    empty = [Listing("BTC", "USD", {300: [], 86_400: []})]
    async with CandleExchange(CoinbaseProtocol(), empty, now_s=lambda: END_NS / 10**9) as server:
        done = await fetch(transactions, server, clock=SteppingClock(END_NS))
        assert server.n_pages < 10
    assert (done.n_received, done.first_ns, done.gaps_ns.size) == (0, None, 0)


async def test_impossible_bars_are_rejected_and_are_not_called_quiet(transactions):
    candles = dict(listings()[0].candles)
    candles[300] = [
        dataclasses.replace(one, high=1.0) if n == 50 else one for n, one in enumerate(candles[300])
    ]
    bad = [Listing("BTC", "USD", candles)]
    async with CandleExchange(CoinbaseProtocol(), bad, now_s=lambda: END_NS / 10**9) as server:
        done = await fetch(transactions, server, clock=SteppingClock(END_NS))
    assert (done.n_rejected, done.n_inserted, done.n_no_trade) == (1, N - 1, 0)
    assert done.gaps_ns.tolist() == [[START_NS + 50 * M5.ns, START_NS + 51 * M5.ns]]


async def test_another_source_for_a_stored_series_is_a_conflict_and_another_name_helps(transactions):
    async with transactions() as stores:
        await stores.bars.merge(dataclasses.replace(SERIES, symbol="BTC-USD", source="kraken_spot"))
    async with coinbase() as server:
        with pytest.raises(ConflictError, match=r"kraken_spot.*coinbase_spot"):
            await fetch(transactions, server)
        done = await fetch(transactions, server, as_symbol="BTC-CB")
    assert (done.symbol, done.n_inserted) == ("BTC-CB", N)


async def test_bad_requests_are_named(transactions):
    async with coinbase() as server:
        with pytest.raises(InputError, match="end of a download must be after its start"):
            await fetch(transactions, server, until_ns=START_NS)
