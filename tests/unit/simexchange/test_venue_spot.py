"""Spot orders: what they hold, pay and get, and that nothing appears or vanishes."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.simexchange.clock import VirtualClock
from marketsentry.simexchange.orders import (
    NewOrder,
    OrderStatus,
    OrderType,
    Reject,
    Rejected,
    SelfTrade,
    Side,
    TimeInForce,
)
from marketsentry.simexchange.products import bitget_spot, coinbase_product
from marketsentry.simexchange.venue import Venue

COINBASE = coinbase_product("BTC", lot="0.0001")
BITGET = bitget_spot("BTC", lot="0.0001")


def opened(product=COINBASE, *, asks=((101, 1), (102, 2)), bids=((99, 1), (98, 2)), **settings):
    venue = Venue([product], now_s=VirtualClock(), **settings)
    venue.spot.ledger.deposit("ann", product.quote, Decimal(1_000))
    venue.spot.ledger.deposit("ann", "BTC", Decimal(5))
    quotes = [(Side.SELL, Decimal(p), Decimal(q)) for p, q in asks] + [
        (Side.BUY, Decimal(p), Decimal(q)) for p, q in bids
    ]
    venue.house_quote(product.key, quotes, ())
    return venue


def limit(side, quantity, price, **more):
    product = more.pop("product", COINBASE)
    return NewOrder(
        "ann", product.key, side, OrderType.LIMIT, Decimal(str(quantity)), Decimal(str(price)), **more
    )


def market(side, quantity=None, **more):
    product = more.pop("product", COINBASE)
    size = None if quantity is None else Decimal(str(quantity))
    return NewOrder("ann", product.key, side, OrderType.MARKET, size, **more)


def reason(venue, asked):
    with pytest.raises(Rejected) as refused:
        venue.place(asked)
    return refused.value.reason


def test_a_resting_buy_holds_its_worst_cost_and_a_cancel_gives_it_back():
    venue = opened()
    order = venue.place(limit(Side.BUY, 2, 90))
    assert venue.spot.ledger.held("ann", "USD") == Decimal(180) * (1 + COINBASE.taker_rate)
    assert venue.books["BTC-USD"].depth(Side.BUY)[-1] == (90, 2)
    venue.cancel("ann", order.id)
    assert order.status is OrderStatus.CANCELLED
    assert venue.spot.ledger.available("ann", "USD") == 1_000
    assert venue.spot.ledger.held("ann", "USD") == 0


def test_a_limit_buy_takes_what_it_reaches_and_rests_with_the_remainder():
    venue = opened()
    order = venue.place(limit(Side.BUY, 2, 101))
    assert (order.status, order.filled, order.average) == (OrderStatus.OPEN, 1, 101)
    assert order.fees == Decimal(101) * COINBASE.taker_rate
    venue.house_take("BTC-USD", Side.SELL, Decimal(1), Decimal(101))
    assert (order.status, order.filled) == (OrderStatus.FILLED, 2)
    assert [fill.is_maker for fill in venue.fills] == [False, True]
    assert order.fees == Decimal(101) * (COINBASE.taker_rate + COINBASE.maker_rate)
    assert venue.spot.ledger.held("ann", "USD") == 0
    assert venue.spot.ledger.available("ann", "USD") == 1_000 - 202 - order.fees
    assert venue.spot.ledger.available("ann", "BTC") == 7


def test_a_budget_pays_its_fee_out_of_itself():
    venue = opened()
    order = venue.place(market(Side.BUY, quote_budget=Decimal(150), budget_has_fees=True))
    assert order.status is OrderStatus.FILLED
    assert order.filled_quote + order.fees <= 150
    assert order.filled_quote + order.fees > Decimal(150) - 102 * COINBASE.lot * 2
    assert venue.spot.ledger.total("ann", "USD") == 1_000 - order.filled_quote - order.fees


def test_bitget_takes_the_fee_of_a_purchase_in_the_coin_that_is_bought():
    venue = opened(BITGET)
    order = venue.place(market(Side.BUY, quote_budget=Decimal(101), product=BITGET))
    assert (order.filled, order.fee_coin, order.fees) == (1, "BTC", Decimal("0.001"))
    assert venue.spot.ledger.available("ann", "BTC") == 6 - Decimal("0.001")
    assert venue.spot.ledger.available("ann", "USDT") == 899


def test_ioc_cancels_the_remainder_and_fok_takes_all_or_nothing():
    venue = opened()
    order = venue.place(limit(Side.SELL, 2, 99, time_in_force=TimeInForce.IOC))
    assert (order.status, order.filled) == (OrderStatus.CANCELLED, 1)
    order = venue.place(limit(Side.SELL, 3, 98, time_in_force=TimeInForce.FOK))
    assert (order.status, order.filled) == (OrderStatus.CANCELLED, 0)
    order = venue.place(limit(Side.SELL, 2, 98, time_in_force=TimeInForce.FOK))
    assert (order.status, order.filled) == (OrderStatus.FILLED, 2)
    assert venue.spot.ledger.held("ann", "BTC") == 0


def test_an_order_ends_when_its_time_is_over():
    venue = opened()
    now_s = venue.now_s()
    order = venue.place(limit(Side.BUY, 1, 90, time_in_force=TimeInForce.GTD, expires_s=now_s + 60))
    venue.now_s.advance(59)
    venue.expire()
    assert order.status is OrderStatus.OPEN
    venue.now_s.advance(1)
    venue.expire()
    assert order.status is OrderStatus.EXPIRED
    assert venue.spot.ledger.held("ann", "USD") == 0


def test_post_only_is_refused_or_cancelled_where_it_would_take():
    assert reason(opened(), limit(Side.BUY, 1, 101, post_only=True)) is Reject.POST_ONLY
    order = opened(post_only_rejects=False).place(limit(Side.BUY, 1, 101, post_only=True))
    assert (order.status, order.filled) == (OrderStatus.CANCELLED, 0)
    assert opened().place(limit(Side.BUY, 1, 100, post_only=True)).status is OrderStatus.OPEN


def test_a_self_trade_cancels_the_newer_order():
    venue = opened(asks=())
    older = venue.place(limit(Side.SELL, 1, 101))
    newer = venue.place(limit(Side.BUY, 1, 101))
    assert (older.status, newer.status, newer.filled) == (OrderStatus.OPEN, OrderStatus.CANCELLED, 0)


@pytest.mark.parametrize(
    ("mode", "older_ends", "newer_fills"),
    [
        (SelfTrade.ALLOWED, OrderStatus.FILLED, 3),
        (SelfTrade.CANCEL_MAKER, OrderStatus.CANCELLED, 2),
        (SelfTrade.CANCEL_BOTH, OrderStatus.CANCELLED, 1),
        (SelfTrade.CANCEL_TAKER, OrderStatus.OPEN, 1),
    ],
)
def test_what_meets_its_own_ends_as_was_asked(mode, older_ends, newer_fills):
    venue = opened(asks=((101, 1), (103, 1)))
    older = venue.place(limit(Side.SELL, 1, 102))
    newer = venue.place(limit(Side.BUY, 3, 103, self_trade=mode))
    assert (older.status, newer.filled) == (older_ends, newer_fills)
    assert bool(venue.spot.ledger.held("ann", "USD")) is (newer.status is OrderStatus.OPEN)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (limit(Side.BUY, 1, "90.005"), Reject.BAD_PRICE),
        (limit(Side.BUY, 1, -1), Reject.BAD_PRICE),
        (limit(Side.BUY, "0.00005", 90), Reject.BAD_QUANTITY),
        (limit(Side.BUY, 0, 90), Reject.BAD_QUANTITY),
        (limit(Side.BUY, "0.0100", 90), Reject.TOO_SMALL),
        (limit(Side.BUY, 4_000, 90), Reject.TOO_LARGE),
        (limit(Side.BUY, 20, 90), Reject.INSUFFICIENT_FUNDS),
        (limit(Side.SELL, 6, 120), Reject.INSUFFICIENT_FUNDS),
        (market(Side.BUY, quote_budget=Decimal("0.5")), Reject.TOO_SMALL),
        (market(Side.BUY, quote_budget=Decimal(1_001)), Reject.INSUFFICIENT_FUNDS),
        (
            NewOrder("ann", "XRP-USD", Side.BUY, OrderType.LIMIT, Decimal(1), Decimal(1)),
            Reject.UNKNOWN_PRODUCT,
        ),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_and_leaves_nothing(asked, expected):
    venue = opened()
    assert reason(venue, asked) is expected
    assert (venue.orders, venue.spot.ledger.held("ann", "USD")) == ({}, 0)


def test_a_halted_product_takes_cancels_only():
    venue = opened()
    order = venue.place(limit(Side.BUY, 1, 90))
    venue.halted.add("BTC-USD")
    assert reason(venue, limit(Side.BUY, 1, 90)) is Reject.HALTED
    assert venue.cancel("ann", order.id).status is OrderStatus.CANCELLED


def test_a_client_id_is_used_once():
    venue = opened()
    order = venue.place(limit(Side.BUY, 1, 90, client_id="x"))
    with pytest.raises(Rejected) as refused:
        venue.place(limit(Side.SELL, 1, 120, client_id="x"))
    assert (refused.value.reason, refused.value.detail) == (Reject.DUPLICATE_CLIENT_ID, order.id)


def test_what_is_final_or_anothers_cannot_be_cancelled():
    venue = opened()
    order = venue.place(limit(Side.BUY, 1, 101))
    assert order.status is OrderStatus.FILLED
    with pytest.raises(Rejected) as refused:
        venue.cancel("ann", order.id)
    assert refused.value.reason is Reject.ORDER_FINAL
    other = venue.place(limit(Side.BUY, 1, 90))
    with pytest.raises(Rejected) as refused:
        venue.cancel("bob", other.id)
    assert refused.value.reason is Reject.UNKNOWN_ORDER


placed = st.tuples(
    st.sampled_from(("ann", "bob")),
    st.sampled_from(tuple(Side)),
    st.integers(90, 110).map(Decimal),
    st.integers(1, 30_000).map(lambda n: n * Decimal("0.0001")),
    st.sampled_from(tuple(TimeInForce)),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from((COINBASE, BITGET)),
    st.lists(st.one_of(placed, st.integers(0, 20), st.integers(90, 110).map(str)), max_size=40),
)
def test_balances_are_conserved_and_holds_belong_to_open_orders(product, actions):
    venue = Venue([product], now_s=VirtualClock())
    ledger = venue.spot.ledger
    coins = (product.quote, product.base)
    for owner in ("ann", "bob"):
        for coin, amount in zip(coins, (500, 5), strict=True):
            ledger.deposit(owner, coin, Decimal(amount))
    quotes = []
    for action in actions:
        try:
            match action:
                case str():
                    mid = Decimal(action)
                    book = [(Side.BUY, mid - 1, Decimal(1)), (Side.SELL, mid + 1, Decimal(1))]
                    quotes = venue.house_quote(product.key, book, quotes)
                case int():
                    orders = list(venue.orders.values())
                    if action < len(orders):
                        venue.cancel(orders[action].asked.owner, orders[action].id)
                case owner, side, price, quantity, force, is_market:
                    kind = OrderType.MARKET if is_market else OrderType.LIMIT
                    bound = None if is_market else price
                    venue.place(
                        NewOrder(owner, product.key, side, kind, quantity, bound, time_in_force=force)
                    )
        except Rejected:
            pass
        for coin in coins:
            assert sum(ledger.total(owner, coin) for owner in ledger.owners()) == ledger.deposited[coin]
        for owner in ("ann", "bob"):
            for coin in coins:
                assert ledger.available(owner, coin) >= 0
                mine = [one for one in venue.open_orders() if one.asked.owner == owner]
                assert ledger.held(owner, coin) == sum(one.hold for one in mine if one.hold_coin == coin)
        bid, ask = venue.books[product.key].ends()
        assert not bid or not ask or bid < ask
    for order in venue.orders.values():
        mine = [fill for fill in venue.fills if fill.order_id == order.id]
        assert order.filled == sum(fill.quantity for fill in mine)
        assert order.fees == sum(fill.fee for fill in mine)
        if order.asked.price is not None:
            assert all((order.asked.price - fill.price) * order.asked.side.sign >= 0 for fill in mine)
