"""Events, their entities and quality rows; funding; trades."""

import numpy as np
import pytest

from marketsentry.core.market.events import Event, Mention
from marketsentry.core.market.records import FundingSeries, TradeBlock
from marketsentry.exceptions import ConflictError

AT = 1_700_000_000 * 10**9
SECOND = 10**9
BTC = Mention("asset", "Bitcoin", "BTC")


def event(title, *mentions, at=AT, known=None, **more):
    return Event("market", title, at, at if known is None else known, mentions=mentions, **more)


async def rows(database, query):
    async with database.connection() as connection:
        return await (await connection.execute(query)).fetchall()


async def test_ids_come_in_the_order_given_and_duplicates_share_one(transactions, database):
    batch = [event("a"), event("b", BTC), event(" A "), event("c")]
    async with transactions() as stores:
        first = await stores.events.add_events(batch, now_ns=AT + 5 * SECOND)
        again = await stores.events.add_events([event("c"), event("d")], now_ns=AT)
    assert (first.inserted, first.deduplicated) == (3, 1)
    assert first.event_ids[0] == first.event_ids[2]
    assert len(set(first.event_ids)) == 3
    assert (again.inserted, again.deduplicated, again.event_ids[0]) == (1, 1, first.event_ids[3])
    titles = dict(await rows(database, "SELECT id, title FROM events"))
    assert [titles[i] for i in (*first.event_ids, *again.event_ids)] == ["a", "b", "a", "c", "c", "d"]


async def test_only_new_events_get_a_quality_row(transactions, database):
    scored = event(
        "x", BTC, confidence_score=1.0, event_importance=0.5, novelty_score=0.0, source_name="wire"
    )
    async with transactions() as stores:
        for _ in range(2):
            await stores.events.add_events([scored], now_ns=AT + 90 * SECOND)
    found = await rows(
        database,
        "SELECT source_name, freshness_sec, entity_coverage, quality_score, notes FROM data_quality_audit",
    )
    assert found == [("wire", 90, 0.25, pytest.approx(0.30 + 0.125 + 0.05), "auto_audit_v1")]


async def test_a_known_symbol_is_never_blanked(transactions, database):
    async with transactions() as stores:
        await stores.events.add_events([event("a", BTC)], now_ns=AT)
        await stores.events.add_events([event("b", Mention("asset", "Bitcoin"))], now_ns=AT)
    assert await rows(database, "SELECT entity_type, name, symbol FROM entities") == [
        ("asset", "Bitcoin", "BTC")
    ]
    assert await rows(database, "SELECT count(*), min(role), max(role) FROM event_links") == [
        (2, "mentioned", "mentioned")
    ]


async def test_events_are_read_by_when_they_were_known(transactions):
    batch = [
        event("late", BTC, at=AT, known=AT + 100 * SECOND),
        event("early", BTC, at=AT + 50 * SECOND, source_tier=1, event_importance=0.9),
        event("other", Mention("asset", "Ethereum", "ETH")),
        event("nobody"),
    ]
    async with transactions() as stores:
        await stores.events.add_events(batch, now_ns=AT)
        all_ = await stores.events.load_events("BTC")
        then = await stores.events.load_events("BTC", as_of_ns=AT + 99 * SECOND)
        span = await stores.events.load_events(
            "BTC-PERP", start_ns=AT + 60 * SECOND, stop_ns=AT + 101 * SECOND
        )
        none = await stores.events.load_events("SOL")
    assert all_.known_at_ns.tolist() == [AT + 50 * SECOND, AT + 100 * SECOND]
    assert (all_.source_tier.tolist(), all_.importance.tolist()) == ([1, 3], [0.9, 0.5])
    assert then.known_at_ns.tolist() == [AT + 50 * SECOND]
    assert span.occurred_at_ns.tolist() == [AT]
    assert none.known_at_ns.size == 0


async def test_nothing_to_add_is_fine(transactions):
    async with transactions() as stores:
        assert (await stores.events.add_events([], now_ns=AT)).event_ids == ()


def funding(times, rates, source="binance_perp"):
    return FundingSeries("BTC-PERP", source, AT + np.array(times) * SECOND, np.array(rates))


async def test_funding_is_inserted_corrected_or_left(transactions):
    async with transactions() as stores:
        await stores.events.add_funding(funding([0, 10, 20], [0.1, 0.2, 0.3]))
        counts = await stores.events.add_funding(funding([10, 20, 30], [0.2, 0.5, 0.4]))
        found = await stores.events.load_funding("BTC-PERP")
        then = await stores.events.load_funding("BTC-PERP", as_of_ns=AT + 10 * SECOND)
        none = await stores.events.load_funding("ETH-PERP")
        with pytest.raises(
            ConflictError, match="holds funding rates of binance_perp, these are of bybit_perp"
        ):
            await stores.events.add_funding(funding([40], [0.1], source="bybit_perp"))
    assert (counts.inserted, counts.updated, counts.unchanged) == (1, 1, 1)
    assert (found.rate.tolist(), found.source) == ([0.1, 0.2, 0.5, 0.4], "binance_perp")
    assert then.rate.tolist() == [0.1, 0.2]
    assert none.rate.size == 0


async def test_a_trade_is_unique_by_source_symbol_and_id(transactions, database):
    def block(ids, source="binance_spot"):
        n = len(ids)
        return TradeBlock(
            "BTC",
            source,
            np.array(ids, dtype=object),
            np.full(n, AT + 1_999),
            np.full(n, AT + SECOND),
            np.full(n, 1.5),
            np.full(n, 2.5),
            np.array([1, -1, 0], np.int8)[:n],
        )

    async with transactions() as stores:
        one = await stores.events.add_trades(block(["1", "2", "3"]))
        two = await stores.events.add_trades(block(["2", "9"]))
        other = await stores.events.add_trades(block(["1"], source="bybit_spot"))
    assert [(c.inserted, c.unchanged) for c in (one, two, other)] == [(3, 0), (1, 1), (1, 0)]
    found = await rows(
        database,
        "SELECT venue_trade_id, side, extract(epoch FROM known_at - ts)::float FROM trades_ticks"
        " WHERE source = 'binance_spot' ORDER BY venue_trade_id",
    )
    assert [(row[0], row[1]) for row in found] == [("1", "buy"), ("2", "sell"), ("3", None), ("9", "sell")]
    assert found[0][2] == pytest.approx(1.0, abs=2e-6)
