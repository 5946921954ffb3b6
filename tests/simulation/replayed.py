"""A replay that nobody kills, and what there is to compare of one that is killed again and again."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import psycopg
from pydantic import SecretStr

from lent_databases import copy, drop, url_of
from marketsentry.bootstrap import System, open_system
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.market.timestamps import ns_to_datetime, utc_text
from marketsentry.rehearsal import replayed_trader
from marketsentry.roles.trader import live_rules
from marketsentry.services.trader_replay import ReplaySpan, replay_trader
from marketsentry.settings import Settings
from small_market import HOUR, START_NS
from traded_runs import SYMBOLS, train_small
from trader_market import MODEL, part, pass_small

N_TRAINED = 40 * 24
SERVED = f"1h={':'.join(MODEL)}"
EAGER = {"n_trees": 60, "learning_rate": 0.3}  # a model that trades almost every hour
_UNKILLED = "unkilled"
AGREEMENT = Decimal("1e-9")
_COMPARED = {
    "orders": """
        SELECT price_ts, target, side, quantity, base_quantity, est_price, status, reject_reason, filled_qty
        FROM orders_sim WHERE strategy_id = %(name)s ORDER BY price_ts, target, side, quantity
    """,
    "fills": """
        SELECT filled_at, target, side, qty, price, fee
        FROM fills WHERE strategy_id = %(name)s ORDER BY filled_at, target, side, qty
    """,
    "entries": """
        SELECT at, kind, target, currency, amount
        FROM ledger_entries WHERE strategy_id = %(name)s ORDER BY at, kind, target, currency, amount
    """,
    "weights": """
        SELECT d.as_of, p.target, p.weight::numeric
        FROM positions_snapshots AS p JOIN decisions AS d USING (decision_id)
        WHERE d.strategy_id = %(name)s ORDER BY d.as_of, p.target
    """,
    "equity": """
        SELECT at, cash_quote, equity_quote, peak_quote, day_start_quote, gross_quote
        FROM equity_snapshots WHERE strategy_id = %(name)s ORDER BY at
    """,
    "state": "SELECT bar_end, state FROM trader_states WHERE strategy_id = %(name)s",
}

Rows = Mapping[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Unkilled:
    """A replay that went through in one go: its span as it is typed, its name, and what it left."""

    span: tuple[str, str]
    strategy_id: str
    rows: Rows


async def fill_record(system: System, n_bars: int) -> None:
    """Train a model, and bring the bars after those that it has seen into the record."""
    market = make_market(
        seed=11, symbols=SYMBOLS, interval=HOUR, n_bars=N_TRAINED + n_bars, signal_strength=5.0
    )
    end = ns_to_datetime(START_NS + N_TRAINED * HOUR.ns)
    await train_small(system, [part(one, 0, N_TRAINED) for one in market.series], at=end, **EAGER)
    await pass_small(system)
    async with system.transactions() as stores:
        for one in market.series:
            await stores.bars.merge(part(one, N_TRAINED, N_TRAINED + n_bars))


def replay_unkilled(settings: Settings, n_bars: int) -> Unkilled:
    """Replay on a copy of a filled record that nobody is connected to."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    copy(url, _UNKILLED, urlsplit(url).path.lstrip("/"))
    try:
        return asyncio.run(_replay(settings, url_of(url, _UNKILLED), n_bars))
    finally:
        drop(url, _UNKILLED)


async def _replay(settings: Settings, url: str, n_bars: int) -> Unkilled:
    start_ns = START_NS + N_TRAINED * HOUR.ns
    span = ReplaySpan(start_ns, start_ns + n_bars * HOUR.ns)
    apart = settings.model_copy(update={"database_url": SecretStr(url)})
    async with open_system(apart) as system, replayed_trader(system, stop=asyncio.Event()) as parts:
        summary = await replay_trader(live_rules(apart), span, parts)
    assert summary.is_complete
    assert summary.fills > n_bars / 4, f"{summary.fills} fills in {n_bars} bars are no trading"
    typed = utc_text(span.start_ns), utc_text(span.stop_ns)
    return Unkilled(typed, summary.strategy_id, rows_of(url, summary.strategy_id))


def rows_of(url: str, strategy_id: str) -> Rows:
    """Read what a replay left."""
    with psycopg.connect(url) as connection:
        return {
            what: connection.execute(question, {"name": strategy_id}).fetchall()
            for what, question in _COMPARED.items()
        }


def differences(found: Rows, expected: Rows) -> list[str]:
    """Name what a replay left otherwise than another one did."""
    wrong = []
    for what, rows in expected.items():
        if len(found[what]) != len(rows):
            wrong.append(f"{what}: {len(found[what])} rows, {len(rows)} when nobody is killed")
        pairs = zip(found[what], rows, strict=False)
        wrong += [
            f"{what}: {one}, {other} when nobody is killed" for one, other in pairs if not _agree(one, other)
        ]
    return wrong


def _agree(one: Any, other: Any) -> bool:
    """Whether values agree to `AGREEMENT` of what they are."""
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_agree, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_agree(one[name], other[name]) for name in one)
    if isinstance(one, Decimal | float):
        first, second = Decimal(one), Decimal(other)
        return abs(first - second) <= AGREEMENT * max(1, abs(second))
    return bool(one == other)
