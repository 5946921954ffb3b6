"""What a live prediction reads by one statement is what the single reads give; what it writes is one decision each."""

import numpy as np
import pytest

from marketsentry.core.features.context import build_context
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.events import Event, Mention
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import FundingSeries
from marketsentry.core.serving.answer import Answer, Reason, Source, Why
from marketsentry.core.serving.explain import explain
from marketsentry.exceptions import InputError
from marketsentry.ports.predictions import ContextQuery, PredictionRecord, ServedSnapshot
from marketsentry.services.market_inputs import context_inputs, load_context
from small_market import HOUR, START_NS, random_series

SYMBOLS = ("A", "B-USD", "C")
DAY_NS = 24 * HOUR.ns
N_BARS = 40 * 24
END_NS = START_NS + N_BARS * HOUR.ns


async def stored_market(transactions, seed: int):
    """Bars with holes and quiet cells, funding of A, and events about A and B that came in late or at once."""
    rng = np.random.default_rng(seed)
    times = START_NS + 8 * HOUR.ns * np.arange(N_BARS // 8 - rng.integers(0, 12), dtype=np.int64)
    events = []
    for n in range(60):
        known = START_NS + int(rng.integers(0, N_BARS)) * HOUR.ns
        told = known - int(rng.integers(0, 5)) * DAY_NS
        mention = Mention("asset", *(("Alpha", "A") if n % 4 else ("Beta", "B")))
        kind = ("funding", "mna", "product", "regulatory", "market")[n % 5]
        events.append(Event(kind, f"{n}", told, known, source_tier=1 + n % 3, mentions=(mention,)))
    events.append(
        Event("market", "old", START_NS, START_NS + HOUR.ns, mentions=(Mention("asset", "Gamma", "C"),))
    )
    async with transactions() as stores:
        for n, symbol in enumerate(SYMBOLS):
            whole = random_series(symbol, seed=seed + n, n_bars=N_BARS)
            gone = rng.random(N_BARS) < 0.03
            await stores.bars.merge(
                BarSeries(symbol, HOUR, "synthetic", whole.ts_ns[~gone], whole.values[~gone])
            )
            await stores.bars.add_no_trade(symbol, HOUR, whole.ts_ns[gone & (rng.random(N_BARS) < 0.5)])
        await stores.events.add_funding(
            FundingSeries("A-PERP", "synthetic", times, rng.normal(size=times.size))
        )
        await stores.events.add_events(events, now_ns=END_NS)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_one_statement_reads_what_the_single_reads_give(transactions, seed: int) -> None:
    await stored_market(transactions, seed)
    for hour in range(5, N_BARS, 97):
        as_of_ns = START_NS + hour * HOUR.ns + 17 * 60 * 10**9
        start_ns = START_NS + max(0, hour - 4) * HOUR.ns
        since_ns = start_ns + HOUR.ns
        async with transactions() as stores:
            found = await stores.serving.series(
                SYMBOLS, HOUR, start_ns=start_ns, since_ns=since_ns, as_of_ns=as_of_ns
            )
            whole = await load_context(stores, SYMBOLS, as_of_ns=as_of_ns)
            for symbol in SYMBOLS:
                bars = await stores.bars.load(symbol, HOUR, start_ns=start_ns, as_of_ns=as_of_ns)
                closed_ns = as_of_ns - HOUR.ns + 1
                quiet = await stores.bars.load_no_trade(symbol, HOUR, start_ns=start_ns, stop_ns=closed_ns)
                assert found[symbol].bars.ts_ns.tolist() == bars.ts_ns.tolist()
                assert found[symbol].bars.values.tobytes() == bars.values.tobytes()
                assert found[symbol].no_trade_ts_ns.tolist() == quiet.tolist()
                line = await stores.bars.series(symbol, HOUR)
                assert line is not None
                assert found[symbol].info.revision == line.revision
        closes = np.arange(since_ns, as_of_ns, HOUR.ns, dtype=np.int64)
        bounded = context_inputs(
            {symbol: one.funding for symbol, one in found.items()},
            {symbol: one.events for symbol, one in found.items()},
        )
        expected = build_context(SYMBOLS, closes, whole)
        assert build_context(SYMBOLS, closes, bounded).tobytes() == expected.tobytes()


@pytest.mark.parametrize("asked", [SYMBOLS, (*SYMBOLS, "NONE")])
async def test_facts_are_the_single_ones(transactions, asked: tuple[str, ...]) -> None:
    await stored_market(transactions, 4)
    days_30 = 30 * 24  # how far back it looks first
    for hour in (0, 3, 400, N_BARS + 30, N_BARS + days_30 - 3, N_BARS + days_30, N_BARS + 2 * days_30):
        as_of_ns = START_NS + hour * HOUR.ns
        async with transactions() as stores:
            found = await stores.serving.facts(asked, as_of_ns=as_of_ns, max_events=8)
            for symbol in asked:
                names = (symbol, symbol.partition("-")[0])
                query = ContextQuery(names, names, as_of_ns)
                assert found[symbol].price == await stores.predictions.newest_price(symbol, as_of_ns=as_of_ns)
                assert list(found[symbol].events) == await stores.predictions.context_events(query, limit=8)


async def test_a_long_bar_that_opened_long_ago_may_be_the_newest_price(transactions) -> None:
    long = Interval("90d", 90 * DAY_NS)
    opened_ns = START_NS // long.ns * long.ns
    one = random_series("A", seed=1, n_bars=24)
    bars = BarSeries("A", long, "synthetic", np.array([opened_ns]), one.values[:1])
    as_of_ns = opened_ns + 91 * DAY_NS
    async with transactions() as stores:
        await stores.bars.merge(bars)
        shown = await stores.serving.facts(["A"], as_of_ns=as_of_ns, max_events=8)
        short = BarSeries("A", HOUR, "synthetic", one.ts_ns - START_NS + opened_ns + 88 * DAY_NS, one.values)
        await stores.bars.merge(short)
        found = await stores.serving.facts(["A"], as_of_ns=as_of_ns, max_events=8)
    assert shown["A"].price == found["A"].price
    assert found["A"].price is not None
    assert found["A"].price.source == "synthetic 90d"


async def revision(transactions) -> int:
    async with transactions() as stores:
        line = await stores.bars.series("A", HOUR)
    return 0 if line is None else line.revision


async def test_a_series_is_revised_by_what_touches_its_past_alone(transactions) -> None:
    whole = random_series("A", seed=1, n_bars=30)

    async def merged(start: int, stop: int, factor: float = 1.0) -> int:
        values = whole.values[start:stop] * factor
        async with transactions() as stores:
            await stores.bars.merge(BarSeries("A", HOUR, "synthetic", whole.ts_ns[start:stop], values))
        return await revision(transactions)

    async def quiet(*rows: int) -> int:
        async with transactions() as stores:
            await stores.bars.add_no_trade("A", HOUR, whole.ts_ns[list(rows)])
        return await revision(transactions)

    first = await merged(5, 10)
    assert first > 0
    assert {await merged(10, 11), await merged(13, 14), await quiet(16), await merged(5, 10)} == {first}
    seen = {first}
    for change in (
        merged(0, 1),
        merged(12, 13),
        merged(8, 9, 1.5),
        quiet(11),
        merged(15, 16),
        merged(16, 17),
    ):
        revised = await change
        assert revised not in seen
        seen.add(revised)
    assert await merged(17, 20) in seen
    async with transactions() as stores:
        await stores.synthetic.erase("A")
    assert await merged(5, 10) not in seen


def prediction(target: str, *values: float, lineage_id: str = "infer-1") -> PredictionRecord:
    why = Why(Reason.STALE_INPUTS, "they are old")
    told = explain((), ((), None), as_of_ns=END_NS, model_version="m", feature_version="f")
    snapshot = (
        ServedSnapshot(END_NS, END_NS, "f", "v1", "h", ("x", "y"), np.array(values)) if values else None
    )
    answer = Answer(Source.HEURISTIC, None, None, {"as_of": "now"}, told, why)
    return PredictionRecord("liquid", target, "1d", answer, "f", lineage_id, None, snapshot)


async def test_an_equal_snapshot_is_shared_and_another_one_is_left_out(transactions) -> None:
    async with transactions() as stores:
        first = await stores.serving.add(
            [prediction("B", 1.5, np.nan), prediction("A"), prediction("C", 0.1, 2)]
        )
        assert list(first) == ["B", "A", "C"]
        again = await stores.serving.add([prediction("B", 1.5, np.nan), prediction("C", 0.1, 3)])
        assert again.keys() == {"B"}
        assert again["B"].id != first["B"].id
        assert again["B"].feature_snapshot_id == first["B"].feature_snapshot_id is not None
        assert first["A"].feature_snapshot_id is None
        later = await stores.serving.add([prediction("C", 0.1, 3, lineage_id="infer-2")])
    async with transactions() as stores:
        for one in (*first.values(), *again.values(), *later.values()):
            assert await stores.predictions.get(one.id) == one
        assert await stores.predictions.features(first["B"].id) == {"x": 1.5, "y": None}


async def test_an_infinite_feature_is_refused(transactions) -> None:
    async with transactions() as stores:
        with pytest.raises(InputError, match="feature y must be finite"):
            await stores.serving.add([prediction("A", 1.0, -np.inf)])
