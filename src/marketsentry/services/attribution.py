"""Attributes what a track gained: reads marks, entries and decisions of each strategy and adds the parts up."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from marketsentry.core.account.attribution import Attribution, Interval, Parts, Trade, attribute
from marketsentry.core.account.entries import EntryKind, settle
from marketsentry.core.account.equity import Equity
from marketsentry.core.orders.order import ZERO
from marketsentry.exceptions import DataQualityError
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.accounts import Account, EquityMark, SubLedger
from marketsentry.ports.attribution import DecidedWeights, OrderWindow, TradedRecord
from marketsentry.services.account_figures import accounts_of_track, current_state
from marketsentry.services.ledger import equity_of

MOST_TARGETS = 100


@dataclass(frozen=True, slots=True)
class TargetProfit:
    """Parts of one target, what was traded of it, and how many orders there were."""

    target: str
    parts: Parts
    notional_quote: Decimal
    orders: int
    rejected: int


@dataclass(frozen=True, slots=True)
class TrackProfit:
    """What a track gained in a window. `gained_quote` is the change of equity by the ledger, less what was paid in.

    `by_target` has the largest traded notional first.
    """

    total: Parts
    gained_quote: Decimal
    signed_notional_quote: Decimal
    orders: int
    rejected: int
    by_target: tuple[TargetProfit, ...]
    generated_at: datetime

    @property
    def residual_quote(self) -> Decimal:
        """What no part explains."""
        return self.gained_quote - self.total.net

    @property
    def reject_rate(self) -> float:
        """Rejected orders of all orders, zero without any."""
        return self.rejected / self.orders if self.orders else 0.0


async def reject_rates(
    tracks: Iterable[str], *, window: timedelta, transactions: Transactions, clock: Clock
) -> dict[str, float]:
    """Tell of each track which share of the orders made lately was rejected; zero where there were none."""
    now = clock.now()
    rates = {}
    async with transactions() as stores:
        for track in tracks:
            accounts = await accounts_of_track(stores, track=track)
            made = OrderWindow(track, now - window, now, tuple(account.id for account in accounts))
            counts = await stores.attribution.order_counts(made)
            n_orders, n_rejected = sum(one.orders for one in counts), sum(one.rejected for one in counts)
            rates[track] = n_rejected / n_orders if n_orders else 0.0
    return rates


async def attribute_track(
    track: str, *, lookback: timedelta, transactions: Transactions, clock: Clock
) -> TrackProfit:
    """Attribute what all strategies of a track gained since the last mark of equity before the window.

    Parameters
    ----------
    track
        Which track. Its accounts with money count, and the paper accounts only where there are no others.
    lookback
        Length of the window, which ends now.
    transactions
        The record.
    clock
        Says when now is.

    Returns
    -------
    TrackProfit
        Zeros and no targets where nothing happened.
    """
    now = clock.now()
    since = now - lookback
    async with transactions() as stores:
        accounts = await accounts_of_track(stores, track=track)
        read = [
            await _read(stores, account, ledger, since=since, now=now)
            for account in accounts
            for ledger in await stores.accounts.sub_ledgers(account_id=account.id, track=track)
        ]
        window = OrderWindow(track, since, now, tuple(account.id for account in accounts))
        counts = {one.target: one for one in await stores.attribution.order_counts(window)}
    found = [await asyncio.to_thread(_attribute, one) for one in read]
    parts: dict[str, Parts] = {}
    notional: dict[str, Decimal] = {}
    for one in found:
        for target, added in one.by_target.items():
            parts[target] = parts.get(target, Parts()) + added
            notional[target] = notional.get(target, ZERO) + one.notional_quote[target]
    names = sorted({*parts, *counts}, key=lambda name: (-notional.get(name, ZERO), name))
    return TrackProfit(
        total=sum(parts.values(), Parts()),
        gained_quote=sum((one.gained_quote for one in found), ZERO),
        signed_notional_quote=sum((one.signed_notional_quote for one in found), ZERO),
        orders=sum(one.orders for one in counts.values()),
        rejected=sum(one.rejected for one in counts.values()),
        by_target=tuple(
            TargetProfit(
                name,
                parts.get(name, Parts()),
                notional.get(name, ZERO),
                counts[name].orders if name in counts else 0,
                counts[name].rejected if name in counts else 0,
            )
            for name in names[:MOST_TARGETS]
        ),
        generated_at=now,
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """What was read of one strategy: its marks, the first of them before the window, and all since."""

    quote: str
    held: Mapping[str, Decimal]
    marks: Sequence[EquityMark]
    records: Sequence[TradedRecord]
    decided: Sequence[DecidedWeights]


async def _read(
    stores: Stores, account: Account, ledger: SubLedger, *, since: datetime, now: datetime
) -> _Window:
    await stores.accounts.lock(account.id)
    base = await stores.accounts.newest_mark(ledger, before=since)
    marks = [_nothing(since) if base is None else base]
    marks += await stores.attribution.marks(ledger, after=None if base is None else base.equity.at)
    state = await current_state(stores, account, ledger, at=now)
    with suppress(DataQualityError):  # what has no price now is told up to its last mark
        marks.append(equity_of(state, quote=account.currency, rates={}, at=now))
    return _Window(
        quote=account.currency,
        held={one.target: one.position.qty for one in state.positions},
        marks=marks,
        records=await stores.attribution.records(ledger, after_id=marks[0].ledger_id),
        decided=await stores.attribution.decided(ledger, since=marks[0].equity.at),
    )


def _attribute(window: _Window) -> Attribution:
    begun = dict(window.held)
    for trade in (trade for one in window.records for trade in _trades(one, quote=window.quote)):
        begun[trade.target] = begun.get(trade.target, ZERO) - trade.signed
    return attribute(begun, window.marks[0].marks, list(_intervals(window)))


def _intervals(window: _Window) -> Iterator[Interval]:
    first, decisions = 0, _InForce(window.decided)
    for before, after in pairwise(window.marks):
        last = first
        while last < len(window.records) and window.records[last].record.id <= after.ledger_id:
            last += 1
        within, first = window.records[first:last], last
        flow, funding = ZERO, dict[str, Decimal]()
        for entry in (one.record.entry for one in within):
            if entry.kind.is_flow:
                is_quote = entry.currency == window.quote
                flow += entry.amount if is_quote else entry.amount * after.marks[entry.currency]
            if entry.kind in (EntryKind.FUNDING, EntryKind.BORROW) and entry.target is not None:
                funding[entry.target] = funding.get(entry.target, ZERO) - entry.amount
        yield Interval(
            ended_at=after.equity.at,
            marks=after.marks,
            trades=tuple(trade for one in within for trade in _trades(one, quote=window.quote)),
            funding_quote=funding,
            equity_before=before.equity.equity_quote,
            gained_quote=after.equity.equity_quote - before.equity.equity_quote - flow,
            limited=decisions.limited(before.equity.at),
        )


class _InForce:
    """Walks decisions, oldest first, beside the intervals."""

    def __init__(self, decided: Sequence[DecidedWeights]) -> None:
        self._waiting = deque(decided)
        self._limited: Mapping[str, Decimal] = {}

    def limited(self, at: datetime) -> Mapping[str, Decimal]:
        """Tell by target what limits changed of the weights in force at a time, not earlier than the one before."""
        while self._waiting and self._waiting[0].as_of <= at:
            self._limited = _limited(self._waiting.popleft())
        return self._limited


def _trades(one: TradedRecord, *, quote: str) -> Iterator[Trade]:
    record = one.record
    if record.fill is None or record.side is None or record.entry.kind is not EntryKind.TRADE:
        return
    target = record.entry.target or ""
    settled = settle(record.fill, record.side, target, quote=quote)
    yield Trade(target, record.side, settled.qty, record.fill.price, one.decided_price, settled.fee_quote)


def _limited(decided: DecidedWeights) -> Mapping[str, Decimal]:
    if decided.unconstrained is None:
        return {}
    wanted = decided.unconstrained
    return {
        name: Decimal(str(decided.weights.get(name, 0.0))) - Decimal(str(wanted.get(name, 0.0)))
        for name in sorted({*decided.weights, *wanted})
    }


def _nothing(at: datetime) -> EquityMark:
    return EquityMark(Equity(at, ZERO, ZERO, ZERO), ZERO, ZERO, 0, {})
