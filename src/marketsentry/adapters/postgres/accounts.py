"""Accounts, fills, ledger entries, positions, cash and equity in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres import accounts_sql as sql
from marketsentry.adapters.postgres.account_state import STATES, ledger_state
from marketsentry.adapters.postgres.statements import Statements
from marketsentry.core.account.entries import Entry
from marketsentry.core.account.equity import Equity
from marketsentry.core.account.position import Position
from marketsentry.exceptions import ConflictError, NotFoundError
from marketsentry.ports.accounts import (
    Account,
    Booking,
    EquityMark,
    HeldPosition,
    KnownPrice,
    LedgerState,
    RoundTrip,
    StoredFill,
    SubLedger,
)

_POSITION_COLUMNS = (
    "qty",
    "average_price",
    "realised_quote",
    "fee_quote",
    "funding_quote",
    "trip_quote",
    "n_trips",
    "losing_streak",
    "mark_price",
    "marked_at",
)


class PostgresAccountStore:
    """`AccountStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._found: dict[tuple[str, str, str], Account] = {}  # what an account is called never changes
        self._locked: dict[int, Account] = {}

    async def open(self, *, adapter: str, venue: str, name: str, currency: str) -> Account:
        """Create an account, or find the one that is there; see `AccountStore.open`."""
        account = await self.find(adapter=adapter, venue=venue, name=name)
        if account is None:
            given = {"adapter": adapter, "venue": venue, "name": name, "currency": currency}
            await self._statements.send(sql.OPEN, given)
            account = await self.find(adapter=adapter, venue=venue, name=name)
        assert account is not None
        if account.currency != currency:
            raise ConflictError(
                f"account {name} of {adapter} at {venue} is in {account.currency}, was asked for in {currency}"
            )
        return account

    async def get(self, account_id: int) -> Account:
        """Read an account; raises `NotFoundError`."""
        return await self._one(sql.GET, account_id)

    async def find(self, *, adapter: str, venue: str, name: str) -> Account | None:
        """Find an account by its names."""
        key = (adapter, venue, name)
        if key not in self._found:
            rows = await self._statements.rows(sql.FIND, {"adapter": adapter, "venue": venue, "name": name})
            if not rows:
                return None
            self._found[key] = Account(**rows[0])
        return self._found[key]

    async def list(self) -> Sequence[Account]:
        """List all accounts, oldest first."""
        return [Account(**row) for row in await self._statements.rows(sql.LIST, {})]

    async def lock(self, account_id: int) -> Account:
        """Read an account and keep other writers out; see `AccountStore.lock`."""
        if account_id not in self._locked:
            self._locked[account_id] = await self._one(sql.LOCK, account_id)
        return self._locked[account_id]

    async def hold(self, account: Account) -> None:
        """Lock an account that is known already; see `AccountStore.hold`."""
        if account.id not in self._locked:
            await self._statements.send(sql.LOCK, {"account_id": account.id})
            self._locked[account.id] = account
            self._found[account.adapter, account.venue, account.name] = account

    async def sub_ledgers(
        self, *, account_id: int | None = None, track: str | None = None
    ) -> Sequence[SubLedger]:
        """Name the sub-ledgers that ever had an entry; see `AccountStore.sub_ledgers`."""
        rows = await self._statements.rows(sql.SUB_LEDGERS, {"account_id": account_id, "track": track})
        return [SubLedger(**row) for row in rows]

    async def add_fills(self, booking: Booking, fees_quote: Sequence[Decimal]) -> Sequence[StoredFill]:
        """Insert the fills that are not known; see `AccountStore.add_fills`."""
        fills = booking.fills
        rows = await self._statements.rows(
            sql.ADD_FILLS,
            {
                **_key(booking.ledger),
                "order_id": booking.order_id,
                "decision_id": booking.decision_id,
                "target": booking.target,
                "side": booking.side,
                "client_order_id": booking.client_order_id,
                "trade_ids": [fill.trade_id for fill in fills],
                "qtys": [fill.qty for fill in fills],
                "prices": [fill.price for fill in fills],
                "fees": [fill.fee for fill in fills],
                "fee_currencies": [fill.fee_currency for fill in fills],
                "fees_quote": list(fees_quote),
                "references": [fill.reference for fill in fills],
                "liquidities": [fill.liquidity for fill in fills],
                "times": [fill.at for fill in fills],
            },
        )
        told: dict[str, Any] = {}
        for fill in fills:
            told.setdefault(fill.trade_id, fill)
        return [StoredFill(row["id"], told[row["venue_trade_id"]]) for row in rows]

    async def add_entries(self, ledger: SubLedger, entries: Sequence[Entry]) -> Mapping[str, int]:
        """Insert entries and move cash by them; see `AccountStore.add_entries`."""
        return dict(await self._statements.tuples(sql.ADD_ENTRIES, _entry_columns(ledger, entries)))

    async def put_entries(self, ledger: SubLedger, entries: Sequence[Entry]) -> None:
        """Insert entries and move cash by them; see `AccountStore.put_entries`."""
        await self._statements.send(sql.ADD_ENTRIES, _entry_columns(ledger, entries))

    async def positions(self, ledger: SubLedger, *, target: str | None = None) -> Sequence[HeldPosition]:
        """Read positions; see `AccountStore.positions`."""
        rows = await self._statements.rows(sql.POSITIONS, {**_key(ledger), "target": target})
        return [held_position(row) for row in rows]

    async def put_positions(self, positions: Sequence[HeldPosition]) -> None:
        """Insert or replace positions."""
        given: dict[str, list[Any]] = {
            "account_ids": [held.ledger.account_id for held in positions],
            "strategy_ids": [held.ledger.strategy_id for held in positions],
            "tracks": [held.ledger.track for held in positions],
            "targets": [held.target for held in positions],
        }
        for column in _POSITION_COLUMNS:
            given[column] = [getattr(held.position, column) for held in positions]
        await self._statements.send(sql.PUT_POSITIONS, given)

    async def add_trips(self, ledger: SubLedger, trips: Sequence[RoundTrip]) -> None:
        """Append round trips that ended."""
        given = {
            **_key(ledger),
            "targets": [trip.target for trip in trips],
            "fill_ids": [trip.fill_id for trip in trips],
            "gains": [trip.gain_quote for trip in trips],
            "times": [trip.ended_at for trip in trips],
        }
        await self._statements.send(sql.ADD_TRIPS, given)

    async def trips(self, ledger: SubLedger, *, since: datetime, limit: int) -> Sequence[RoundTrip]:
        """List round trips that ended at or after `since`, the last one first."""
        rows = await self._statements.rows(sql.TRIPS, {**_key(ledger), "since": since, "limit": limit})
        return [RoundTrip(**row) for row in rows]

    async def cash(self, ledger: SubLedger) -> Mapping[str, Decimal]:
        """Read cash by currency."""
        return {row["currency"]: row["amount"] for row in await self._statements.rows(sql.CASH, _key(ledger))}

    async def states(
        self, ledgers: Sequence[SubLedger], *, trips_since: datetime, max_trips: int
    ) -> Sequence[LedgerState]:
        """Read all that figures need by one statement; see `AccountStore.states`."""
        given = {
            "account_ids": [one.account_id for one in ledgers],
            "strategy_ids": [one.strategy_id for one in ledgers],
            "tracks": [one.track for one in ledgers],
            "are_whole": [one.is_whole for one in ledgers],
            "trips_since": trips_since,
            "max_trips": max_trips,
        }
        rows = await self._statements.rows(STATES, given)
        return [ledger_state(ledger, row) for ledger, row in zip(ledgers, rows, strict=True)]

    async def of_track(self, track: str, *, account_id: int | None = None) -> Sequence[Account]:
        """List the accounts that have ever had an entry of a track, oldest first."""
        rows = await self._statements.rows(sql.OF_TRACK, {"track": track, "account_id": account_id})
        return [Account(**row) for row in rows]

    async def move_marks(
        self, ledger: SubLedger, marks: Mapping[str, Decimal], times: Mapping[str, datetime]
    ) -> None:
        """Set the last known prices of what is held, for all strategies; see `AccountStore.move_marks`."""
        given = {
            **_key(ledger),
            "targets": list(marks),
            "prices": list(marks.values()),
            "times": [times[target] for target in marks],
        }
        await self._statements.send(sql.MOVE_MARKS, given)

    async def known_prices(self, targets: Sequence[str], *, as_of: datetime) -> Sequence[KnownPrice]:
        """Read the newest price of each target; see `AccountStore.known_prices`."""
        rows = await self._statements.rows(sql.KNOWN_PRICES, {"targets": list(targets), "as_of": as_of})
        return [KnownPrice(**row) for row in rows]

    async def newest_mark(self, ledger: SubLedger, *, before: datetime | None = None) -> EquityMark | None:
        """Read what it was worth last; see `AccountStore.newest_mark`."""
        rows = await self._statements.rows(sql.NEWEST_MARK, {**_key(ledger), "before": before})
        return equity_mark(rows[0]) if rows else None

    async def add_marks(self, marks: Sequence[tuple[SubLedger, EquityMark]]) -> None:
        """Append what sub-ledgers are worth."""
        given = {
            "account_ids": [ledger.account_id for ledger, _ in marks],
            "strategy_ids": [ledger.strategy_id for ledger, _ in marks],
            "tracks": [ledger.track for ledger, _ in marks],
            "times": [mark.equity.at for _, mark in marks],
            "cash": [mark.cash_quote for _, mark in marks],
            "equities": [mark.equity.equity_quote for _, mark in marks],
            "peaks": [mark.equity.peak_quote for _, mark in marks],
            "day_starts": [mark.equity.day_start_quote for _, mark in marks],
            "gross": [mark.gross_quote for _, mark in marks],
            "ledger_ids": [mark.ledger_id for _, mark in marks],
            "marks": [Jsonb({name: str(price) for name, price in mark.marks.items()}) for _, mark in marks],
            "decision_ids": [mark.decision_id for _, mark in marks],
        }
        await self._statements.send(sql.ADD_MARKS, given)

    async def _one(self, statement: str, account_id: int) -> Account:
        rows = await self._statements.rows(statement, {"account_id": account_id})
        if not rows:
            raise NotFoundError(f"account {account_id} not found")
        return Account(**rows[0])


def held_position(row: Mapping[str, Any]) -> HeldPosition:
    """Make a position of a row that has its columns."""
    ledger = SubLedger(row["account_id"], row["strategy_id"], row["track"])
    return HeldPosition(ledger, row["target"], Position(**{name: row[name] for name in _POSITION_COLUMNS}))


def equity_mark(row: Mapping[str, Any]) -> EquityMark:
    """Make a mark of equity of a row that has its columns."""
    return EquityMark(
        equity=Equity(row["at"], row["equity_quote"], row["peak_quote"], row["day_start_quote"]),
        cash_quote=row["cash_quote"],
        gross_quote=row["gross_quote"],
        ledger_id=row["ledger_id"],
        marks={target: Decimal(price) for target, price in row["marks"].items()},
        decision_id=row["decision_id"],
    )


def _entry_columns(ledger: SubLedger, entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        **_key(ledger),
        "kinds": [entry.kind for entry in entries],
        "targets": [entry.target for entry in entries],
        "currencies": [entry.currency for entry in entries],
        "amounts": [entry.amount for entry in entries],
        "fill_ids": [entry.fill_id for entry in entries],
        "references": [entry.reference for entry in entries],
        "times": [entry.at for entry in entries],
    }


def _key(ledger: SubLedger) -> dict[str, Any]:
    return {
        "account_id": ledger.account_id,
        "strategy_id": ledger.strategy_id,
        "track": ledger.track,
        "is_whole": ledger.is_whole,
    }
