"""Decisions, their books and signals on a real database."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.ports.decisions import BookEntry, Decision, DecisionSource, Idempotency
from marketsentry.ports.signals import SignalRecord

AT = datetime(2024, 6, 1, 12, tzinfo=UTC)
CODE = "bucket_exposure_exceeded:event"


def decision(number=1, **changes):
    plain = Decision(
        decision_id=f"{number:032x}",
        track="liquid",
        strategy_id="default-liquid-v1",
        source=DecisionSource.REBALANCE,
        as_of=AT,
        is_approved=True,
    )
    return replace(plain, **changes)


def signal(decision_id, **changes):
    plain = SignalRecord(
        track="liquid",
        target="BTC",
        horizon="1d",
        score=0.02,
        confidence=0.6,
        action="buy",
        policy="baseline-v2",
        strategy_bucket="event",
        strategy_id="default-liquid-v1",
        decision_id=decision_id,
        prediction_id=None,
        expires_at=AT + timedelta(days=1),
        metadata={"reason": "policy=baseline-v2"},
    )
    return replace(plain, **changes)


async def test_a_decision_is_read_back_as_it_was_added(transactions):
    full = decision(
        capital=Decimal("100000.12345678901234567890"),
        violations=({"code": CODE, "effect": "clipped"},),
        metadata={"tracks": ["liquid"]},
        is_approved=False,
    )
    async with transactions() as stores:
        added = await stores.decisions.add(full)
    async with transactions() as stores:
        found = await stores.decisions.get(full.decision_id)
    assert added.is_new
    assert added.decision == found
    for name in (
        "track",
        "strategy_id",
        "source",
        "as_of",
        "is_approved",
        "capital",
        "violations",
        "metadata",
    ):
        assert getattr(found, name) == getattr(full, name), name
    assert found.created_at.utcoffset() == timedelta(0)


async def test_a_key_gives_the_stored_decision_and_refuses_another_request(transactions):
    known = Idempotency("k", "a" * 64)
    async with transactions() as stores:
        first = await stores.decisions.add(decision(1, idempotency=known))
    async with transactions() as stores:
        again = await stores.decisions.add(decision(2, idempotency=known))
        assert await stores.decisions.find(known) == first.decision
        assert await stores.decisions.find(Idempotency("other", "a" * 64)) is None
    assert (again.is_new, again.decision) == (False, first.decision)
    with pytest.raises(ConflictError, match="idempotency key 'k' was used for another request"):
        async with transactions() as stores:
            await stores.decisions.add(decision(3, idempotency=Idempotency("k", "b" * 64)))
    with pytest.raises(NotFoundError, match="decision not found"):
        async with transactions() as stores:
            await stores.decisions.get(f"{2:032x}")
    for key in ("", "x" * 256):
        with pytest.raises(InputError, match="idempotency key must have 1 to 255 characters"):
            Idempotency(key, "a" * 64)


async def test_of_two_that_race_for_a_key_one_is_new(transactions):
    async def add(number):
        async with transactions() as stores:
            return await stores.decisions.add(decision(number, idempotency=Idempotency("k", "a" * 64)))

    told = await asyncio.gather(*(add(number) for number in range(1, 6)))
    assert [one.is_new for one in told].count(True) == 1
    assert len({one.decision.decision_id for one in told}) == 1


async def test_a_decision_id_is_used_once(transactions):
    async with transactions() as stores:
        await stores.decisions.add(decision(1))
    with pytest.raises(ConflictError, match="the record forbids it"):
        async with transactions() as stores:
            await stores.decisions.add(decision(1))


async def test_pages_go_on_where_they_ended(transactions):
    for number in (5, 1, 4, 2, 3):
        async with transactions() as stores:
            strategy = "own" if number == 4 else "default-liquid-v1"
            await stores.decisions.add(decision(number, strategy_id=strategy))
    seen, before = [], None
    async with transactions() as stores:
        while page := await stores.decisions.page(track=None, strategy_id=None, before_id=before, limit=2):
            seen += [int(one.decision_id, 16) for one in page]
            before = page[-1].decision_id
        own = await stores.decisions.page(track="liquid", strategy_id="own", before_id=None, limit=9)
        none = await stores.decisions.page(track="vc", strategy_id=None, before_id=None, limit=9)
        with pytest.raises(NotFoundError):
            await stores.decisions.page(track=None, strategy_id=None, before_id="0" * 32, limit=1)
    assert seen == [3, 2, 4, 1, 5]
    assert ([int(one.decision_id, 16) for one in own], none) == ([4], [])


async def test_a_book_keeps_its_order(transactions):
    wanted = [
        BookEntry("ETH", "liquid", -0.059294, "crypto", "crypto_beta", "rebalance_v2"),
        BookEntry("BTC", "liquid", 0.180706),
    ]
    async with transactions() as stores:
        await stores.decisions.add(decision(1))
        await stores.decisions.add_book(f"{1:032x}", wanted)
        await stores.decisions.add_book(f"{1:032x}", [])
        found = await stores.decisions.book(f"{1:032x}")
        assert await stores.decisions.book(f"{2:032x}") == []
    assert [(one.target, one.weight, one.sector, one.style_bucket, one.reason) for one in found] == [
        ("ETH", -0.059294, "crypto", "crypto_beta", "rebalance_v2"),
        ("BTC", 0.180706, None, None, "rebalance"),
    ]


async def test_no_book_and_no_signal_without_a_decision(transactions):
    with pytest.raises(ConflictError):
        async with transactions() as stores:
            await stores.decisions.add_book("0" * 32, [BookEntry("BTC", "liquid", 0.1)])
    with pytest.raises(ConflictError):
        async with transactions() as stores:
            await stores.signals.add(signal("0" * 32))


async def test_a_number_that_is_none_is_refused_by_the_record(transactions):
    """K-05."""
    async with transactions() as stores:
        await stores.decisions.add(decision(1))
    for changes in ({"score": float("nan")}, {"score": float("inf")}, {"confidence": 1.5}, {"score": None}):
        with pytest.raises(ConflictError):
            async with transactions() as stores:
                await stores.signals.add(signal(f"{1:032x}", **changes))
    for weight in (float("nan"), float("inf")):
        with pytest.raises(ConflictError):
            async with transactions() as stores:
                await stores.decisions.add_book(f"{1:032x}", [BookEntry("BTC", "liquid", weight)])


async def test_signals_are_read_by_id_by_decision_and_by_page(transactions):
    async with transactions() as stores:
        await stores.decisions.add(decision(1))
        await stores.decisions.add(decision(2))
        first = await stores.signals.add(signal(f"{1:032x}"))
        held = signal(f"{1:032x}", target="ETH", action="hold", score=None, confidence=None)
        second = await stores.signals.add(held)
        third = await stores.signals.add(signal(f"{2:032x}", strategy_id="own"))
    async with transactions() as stores:
        assert await stores.signals.get(second.id) == second
        assert (second.score, second.confidence, second.metadata) == (None, None, held.metadata)
        assert await stores.signals.of_decision(f"{1:032x}") == [first, second]
        assert {one.id for one in await stores.signals.get_many([first.id, third.id, -5])} == {
            first.id,
            third.id,
        }
        any_one = {"track": None, "target": None, "strategy_id": None, "before_id": None, "limit": 2}
        assert await stores.signals.page(**any_one) == [third, second]
        assert await stores.signals.page(**{**any_one, "before_id": second.id}) == [first]
        assert await stores.signals.page(**{**any_one, "target": "BTC"}) == [third, first]
        assert await stores.signals.page(**{**any_one, "strategy_id": "own"}) == [third]
        with pytest.raises(NotFoundError, match="signal not found"):
            await stores.signals.get(-1)
