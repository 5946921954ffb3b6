"""The Coinbase adapter trades on the simulated venue, and never says more than it saw."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from live_venues import access_to, coinbase, coinbase_exchange, limit, market, opened, ref
from marketsentry.adapters.venues.coinbase_live import CoinbaseLive
from marketsentry.core.orders.order import Side, TimeInForce
from marketsentry.ports.venue import LegStatus, OutcomeUnknownError, VenueRefusedError
from marketsentry.simexchange import orders as sim
from marketsentry.simexchange.accounts import Permission
from marketsentry.simexchange.faults import VenueFault

ORDERS = "POST /api/v3/brokerage/orders"


@pytest.fixture
async def exchange():
    async with coinbase_exchange() as running:
        yield running


@pytest.fixture
async def venue(exchange):
    async with coinbase(exchange) as running:
        yield running


async def test_what_can_be_traded_comes_with_its_rules(venue):
    (btc,) = await venue.products()
    assert (btc.symbol, btc.venue_symbol, btc.base, btc.quote) == ("BTC", "BTC-USD", "BTC", "USD")
    assert (btc.tick_size, btc.lot_size, btc.min_notional) == (Decimal("0.01"), Decimal("1E-8"), Decimal(1))
    assert btc.is_tradeable
    quote = await venue.quote("BTC")
    assert quote.bid < 60_000 < quote.ask
    assert abs(datetime.now(UTC) - quote.at) < timedelta(seconds=5)
    assert abs(datetime.now(UTC) - await venue.server_time()) < timedelta(seconds=5)
    assert await venue.positions() == ()


async def test_an_order_rests_is_found_by_both_ids_and_is_cancelled(venue):
    request = limit()
    placed = await venue.submit(request)
    assert (placed.status, placed.qty, placed.filled_qty) == (LegStatus.OPEN, Decimal("0.5"), 0)
    assert await venue.order(ref(request)) == await venue.order(ref(request, placed.venue_order_id)) == placed
    assert await venue.open_orders() == [placed]
    await venue.cancel(ref(request))
    ended = await venue.order(ref(request))
    assert (ended.status, ended.filled_qty, ended.venue_status) == (LegStatus.CANCELED, 0, "CANCELLED")
    await venue.cancel(ref(request, placed.venue_order_id))
    assert await venue.fills(ref(request)) == []
    assert await venue.open_orders() == []


async def test_a_market_leg_is_bounded_and_its_fees_are_told_k17_k23(venue, exchange):
    """K-17, K-23."""
    before = {one.asset: one for one in await venue.balances()}
    since = datetime.now(UTC) - timedelta(seconds=5)
    best = (await venue.quote("BTC")).ask
    request = market(qty="1.6", bound=str(best))
    done = await venue.submit(request)
    assert done.status is LegStatus.CANCELED
    assert 0 < done.filled_qty < Decimal("1.6")
    fills = await venue.fills(ref(request, done.venue_order_id))
    assert sum(one.qty for one in fills) == done.filled_qty
    assert all(one.price <= best and one.fee > 0 and one.fee_currency == "USD" for one in fills)
    assert {one.liquidity for one in fills} == {"taker"}
    after = {one.asset: one for one in await venue.balances()}
    assert after["BTC"].total - before["BTC"].total == done.filled_qty
    assert before["USD"].total - after["USD"].total == sum(one.notional + one.fee for one in fills)
    told = await venue.fills_since(since)
    assert [one.fill for one in told] == fills
    assert {(one.symbol, one.client_order_id, one.side) for one in told} == {("BTC", "ms-1-m1", Side.BUY)}


@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
async def test_what_may_not_rest_does_not_k16(venue, force):
    done = await venue.submit(limit(force=force))
    assert (done.status.is_over, done.filled_qty) == (True, 0)
    assert await venue.open_orders() == []


async def test_fill_or_kill_takes_all_or_nothing(venue):
    best = str((await venue.quote("BTC")).ask)
    killed = await venue.submit(limit(qty="1.6", price=best, force=TimeInForce.FOK, client_order_id="a"))
    assert (killed.status.is_over, killed.filled_qty) == (True, 0)
    filled = await venue.submit(limit(qty="0.1", price="60500", force=TimeInForce.FOK, client_order_id="b"))
    assert (filled.status, filled.filled_qty) == (LegStatus.FILLED, Decimal("0.1"))


async def test_the_same_id_twice_makes_one_order(venue, exchange):
    first = await venue.submit(limit())
    assert await venue.submit(limit()) == first
    assert len(exchange.truth()["orders"]) == 1


@pytest.mark.parametrize(
    "other", [limit(qty="0.4"), limit(price="58999"), limit(side=Side.SELL, price="62000")]
)
async def test_an_id_of_another_installation_is_refused(venue, exchange, other):
    await venue.submit(other)
    with pytest.raises(VenueRefusedError) as refused:
        await venue.submit(limit())
    assert refused.value.code == "venue_error:client_id_collision"
    assert len(exchange.truth()["orders"]) == 1


async def test_an_older_order_with_our_id_is_not_ours():
    now = [datetime(2026, 1, 5, 9, tzinfo=UTC).timestamp()]
    async with coinbase_exchange(now_s=lambda: now[0]) as exchange:
        product, body = "BTC-USD", limit()
        exchange.venue.place(
            sim.NewOrder(
                owner=exchange.key.owner,
                product=product,
                side=sim.Side.BUY,
                type=sim.OrderType.LIMIT,
                quantity=body.qty,
                price=body.limit_price,
                client_id=body.client_order_id,
            )
        )
        now[0] = datetime.now(UTC).timestamp()
        async with coinbase(exchange) as venue:
            with pytest.raises(VenueRefusedError, match="client_id_collision"):
                await venue.submit(body)
            assert await venue.order(ref(body)) is None


async def test_an_order_that_never_was_is_told_as_none(venue):
    assert await venue.order(ref(limit())) is None
    assert await venue.order(ref(limit(), "00000000-0000-4000-8000-000000000000")) is None
    assert await venue.fills(ref(limit())) == ()
    await venue.cancel(ref(limit()))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (limit(symbol="DOGE"), "venue_error:unknown_product"),
        (limit(qty="0.00001"), "below_min_size"),
        (limit(qty="0.123456789"), "venue_error:precision"),
        (limit(price="59000.001"), "venue_error:precision"),
        (limit(price="0"), "venue_error:no_limit_price"),
        (limit(price="NaN"), "venue_error:no_limit_price"),
        (limit(qty="1000"), "venue_rejected:INSUFFICIENT_FUND"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_its_code_k23(venue, exchange, request_, code):
    with pytest.raises(VenueRefusedError) as refused:
        await venue.submit(request_)
    assert refused.value.code == code
    assert exchange.truth()["orders"] == []


async def test_a_halted_product_is_not_sent_to(exchange):
    exchange.set_halted("BTC-USD")
    async with coinbase(exchange) as venue:
        with pytest.raises(VenueRefusedError, match="product_not_tradeable"):
            await venue.submit(limit())


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (VenueFault.TOO_MANY, "venue_http_429"),
        (VenueFault.INSUFFICIENT_FUNDS, "venue_rejected:INSUFFICIENT_FUND"),
        (VenueFault.HALTED, "venue_rejected:"),
    ],
)
async def test_a_refusal_on_the_wire_is_one(venue, exchange, fault, code):
    exchange.inject(fault, ORDERS, times=1, value=0.2 if fault is VenueFault.TOO_MANY else 0.0)
    with pytest.raises(VenueRefusedError) as refused:
        await venue.submit(limit())
    assert refused.value.code.startswith(code)
    assert refused.value.retry_after_s == (0.2 if fault is VenueFault.TOO_MANY else None)
    assert exchange.truth()["orders"] == []
    assert (await venue.submit(limit())).status is LegStatus.OPEN


@pytest.mark.parametrize(
    ("fault", "is_there"),
    [
        (VenueFault.TIMEOUT_BEFORE, False),
        (VenueFault.TIMEOUT_AFTER, True),
        (VenueFault.DROP_BEFORE, False),
        (VenueFault.DROP_AFTER, True),
        (VenueFault.SERVER_ERROR, False),
        (VenueFault.ERROR_AFTER, True),
    ],
)
async def test_an_answer_that_was_not_seen_leaves_the_outcome_unknown_k20(venue, exchange, fault, is_there):
    request, sent_at = limit(), datetime.now(UTC)
    exchange.inject(fault, ORDERS, times=1)
    with pytest.raises(OutcomeUnknownError):
        await venue.submit(request)
    assert exchange.injected() == {fault.value: 1}
    found = await venue.order(ref(request, sent_at=sent_at))
    assert (found is not None) is is_there
    assert len(exchange.truth()["orders"]) == is_there


async def test_an_order_that_was_taken_and_cannot_be_read_back_is_unknown(venue, exchange):
    exchange.inject(VenueFault.DROP_BEFORE, "GET /api/v3/brokerage/orders/historical/*", times=4)
    with pytest.raises(OutcomeUnknownError, match="could not be read back"):
        await venue.submit(limit())
    assert len(exchange.truth()["orders"]) == 1


async def test_nothing_that_fails_before_the_order_leaves_it_unknown(exchange):
    exchange.inject(VenueFault.DROP_BEFORE, "GET *")
    async with coinbase(exchange) as venue:
        with pytest.raises(VenueRefusedError, match="not_ready"):
            await venue.submit(limit())
    assert exchange.truth()["orders"] == []


async def test_a_venue_that_cannot_be_reached_refuses():
    async with coinbase_exchange() as gone:
        access = access_to(gone)
    async with opened(CoinbaseLive(access)) as venue:
        with pytest.raises(VenueRefusedError) as refused:
            await venue.server_time()
    assert refused.value.code == "venue_error:not_connected"


async def test_a_cancel_whose_answer_was_not_seen_is_unknown_k21(venue, exchange):
    request = limit()
    placed = await venue.submit(request)
    exchange.inject(VenueFault.TIMEOUT_AFTER, "POST */batch_cancel", times=1)
    with pytest.raises(OutcomeUnknownError):
        await venue.cancel(ref(request, placed.venue_order_id))
    assert (await venue.order(ref(request))).status is LegStatus.CANCELED


async def test_a_key_that_may_withdraw_is_refused_before_an_order(exchange):
    key = exchange.add_key("demo", (Permission.VIEW, Permission.TRADE, Permission.TRANSFER))
    async with coinbase(exchange, key) as venue:
        with pytest.raises(VenueRefusedError, match="key_can_withdraw"):
            await venue.submit(limit())
        await venue.balances()
    assert exchange.truth()["orders"] == []


async def test_a_key_that_only_reads_is_refused_before_an_order(exchange):
    key = exchange.add_key("demo", (Permission.VIEW,))
    async with coinbase(exchange, key) as venue:
        with pytest.raises(VenueRefusedError, match="key_cannot_trade"):
            await venue.submit(limit())


@pytest.mark.parametrize(("skew_s", "is_refused"), [(30.0, True), (-30.0, True), (0.0, False)])
async def test_a_clock_that_is_off_is_refused(exchange, skew_s, is_refused):
    exchange.inject(VenueFault.CLOCK_SKEW, "GET /api/v3/brokerage/time", value=skew_s)
    async with coinbase(exchange) as venue:
        if is_refused:
            with pytest.raises(VenueRefusedError, match="clock_skew"):
                await venue.submit(limit())
        else:
            assert (await venue.submit(limit())).status is LegStatus.OPEN


@pytest.mark.parametrize(
    "changes", [{"api_key": "organizations/x/apiKeys/y"}, {"api_secret": "no key at all"}]
)
async def test_a_wrong_key_is_refused_and_not_told(exchange, changes):
    async with coinbase(exchange, **changes) as venue:
        with pytest.raises(VenueRefusedError) as refused:
            await venue.balances()
    assert refused.value.code in ("venue_http_401", "venue_error:not_signed")
    assert "no key at all" not in str(refused.value)


async def test_a_closed_lock_lets_reading_and_cancelling_through(exchange):
    async with coinbase(exchange) as unlocked:
        placed = await unlocked.submit(limit())
    async with coinbase(exchange, trading_refusal="live_trading_disabled") as venue:
        with pytest.raises(VenueRefusedError, match="live_trading_disabled"):
            await venue.submit(limit(client_order_id="ms-2-l"))
        assert await venue.open_orders() == [placed]
        await venue.cancel(ref(limit(), placed.venue_order_id))
        assert await venue.open_orders() == []


async def test_long_lists_are_read_to_their_end(venue, exchange):
    for n in range(120):
        await venue.submit(limit(qty="0.001", client_order_id=f"ms-{n}-l"))
    assert len(await venue.open_orders()) == 120
    oldest = limit(qty="0.001", client_order_id="ms-0-l")
    assert (await venue.order(ref(oldest))).client_order_id == "ms-0-l"
