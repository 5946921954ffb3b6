"""Accounts added up again from nothing: fills and ledger entries in, positions, cash, round trips and equity out.

Entries count in the order of their ids, which is the order in which they were booked, so that the same fold gives the
same digits. The marks of positions are observations and are not rebuilt; those of equity were kept with it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal

from marketsentry.core.account.entries import Entry, EntryKind, settle
from marketsentry.core.account.equity import Equity, next_equity
from marketsentry.core.account.position import Position, apply_funding, take_fill
from marketsentry.core.account.valuation import value
from marketsentry.core.orders.order import ZERO, Fill, Side
from marketsentry.exceptions import DataQualityError

_EXACT = Context(prec=1000)  # sums as PostgreSQL makes them, without rounding


@dataclass(frozen=True, slots=True)
class Record:
    """A ledger entry with its row id and whose it is; a trade also has the fill behind it."""

    id: int
    strategy_id: str
    track: str
    entry: Entry
    side: Side | None = None
    fill: Fill | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """When equity was marked: of which strategy (None: of the whole track), up to which entry, at which prices."""

    id: int
    strategy_id: str | None
    track: str
    at: datetime
    ledger_id: int
    marks: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Trip:
    """A round trip that ended with a fill."""

    strategy_id: str
    track: str
    target: str
    fill_id: int
    gain_quote: Decimal
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class RebuiltMark:
    """What equity was, by the entries that counted."""

    equity: Equity
    cash_quote: Decimal
    gross_quote: Decimal


@dataclass(slots=True)
class Book:
    """Positions by target and cash by currency of one strategy."""

    track: str
    positions: dict[str, Position] = field(default_factory=dict)
    cash: dict[str, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class Rebuilt:
    """Everything that entries add up to.

    `marks` are by the id of the mark, None where a price is missing that it needs. `unsettled` names entries whose
    amount is not what their fill does.
    """

    books: dict[str, Book] = field(default_factory=dict)
    trips: list[Trip] = field(default_factory=list)
    marks: dict[int, RebuiltMark | None] = field(default_factory=dict)
    unsettled: list[int] = field(default_factory=list)


def rebuild(records: Iterable[Record], marked: Sequence[Marked], *, quote: str) -> Rebuilt:
    """Add up one account.

    Parameters
    ----------
    records
        All its entries, by id.
    marked
        All its marks of equity.
    quote
        Its currency.

    Returns
    -------
    Rebuilt
    """
    built = Rebuilt()
    waiting = sorted(marked, key=lambda one: (one.ledger_id, one.at, one.id))
    equities = _Equities(built, quote)
    n_done = 0
    for record in records:
        while n_done < len(waiting) and waiting[n_done].ledger_id < record.id:
            equities.take(waiting[n_done])
            n_done += 1
        _take(built, record, quote=quote)
        equities.add_flow(record)
    for one in waiting[n_done:]:
        equities.take(one)
    return built


def _take(built: Rebuilt, record: Record, *, quote: str) -> None:
    book = built.books.setdefault(record.strategy_id, Book(record.track))
    entry = record.entry
    book.cash[entry.currency] = _EXACT.add(book.cash.get(entry.currency, ZERO), entry.amount)
    if entry.target is None:
        return
    position = book.positions.get(entry.target, Position())
    if entry.kind in (EntryKind.FUNDING, EntryKind.BORROW):
        book.positions[entry.target] = apply_funding(position, -entry.amount)
    if record.fill is None or record.side is None:
        return
    settled = settle(record.fill, record.side, entry.target, quote=quote)
    if entry.kind is EntryKind.FEE:
        if (entry.amount, entry.currency) != (-settled.fee_amount, settled.fee_currency):
            built.unsettled.append(record.id)
        return
    if (entry.amount, entry.currency) != (settled.trade_quote, quote):
        built.unsettled.append(record.id)
    moved = take_fill(position, record.side, settled.qty, record.fill.price, settled.fee_quote)
    book.positions[entry.target] = moved.position
    if moved.trip_quote is not None and entry.fill_id is not None:
        built.trips.append(
            Trip(record.strategy_id, record.track, entry.target, entry.fill_id, moved.trip_quote, entry.at)
        )


class _Equities:
    """Walks the equity of each strategy, and of each whole track, along the entries."""

    def __init__(self, built: Rebuilt, quote: str) -> None:
        self._built = built
        self._quote = quote
        self._last: dict[tuple[str | None, str], Equity] = {}
        self._flows: dict[tuple[str | None, str], dict[str, Decimal]] = {}

    def add_flow(self, record: Record) -> None:
        """Note what is paid in or out since the last mark."""
        if not record.entry.kind.is_flow:
            return
        for strategy_id in (record.strategy_id, None):
            flows = self._flows.setdefault((strategy_id, record.track), {})
            currency = record.entry.currency
            flows[currency] = _EXACT.add(flows.get(currency, ZERO), record.entry.amount)

    def take(self, marked: Marked) -> None:
        """Value what is held now at the prices of a mark."""
        key = (marked.strategy_id, marked.track)
        flows = self._flows.pop(key, {})
        cash: dict[str, Decimal] = {}
        held = []
        for book in self._books(marked):
            for currency, amount in book.cash.items():
                cash[currency] = _EXACT.add(cash.get(currency, ZERO), amount)
            held += [
                (target, replace(position, mark_price=marked.marks.get(target)))
                for target, position in sorted(book.positions.items())
            ]
        needed = {name: cash[name] for name in sorted(cash) if cash[name] or flows.get(name)}
        try:
            worth = value(held, needed, quote=self._quote, rates=marked.marks)
        except DataQualityError:
            self._built.marks[marked.id] = None
            return
        flow = sum((amount * worth.rates[name] for name, amount in flows.items() if amount), ZERO)
        first = Equity(marked.at - timedelta(microseconds=1), ZERO, ZERO, ZERO)
        equity = next_equity(self._last.get(key, first), worth.equity_quote, marked.at, flow_quote=flow)
        self._last[key] = equity
        self._built.marks[marked.id] = RebuiltMark(equity, worth.cash_quote, worth.gross_quote)

    def _books(self, marked: Marked) -> Iterator[Book]:
        for strategy_id, book in sorted(self._built.books.items()):
            if book.track == marked.track and marked.strategy_id in (None, strategy_id):
                yield book
