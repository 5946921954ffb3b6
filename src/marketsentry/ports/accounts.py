"""Accounts: what each strategy holds in them, what moved it, and what it was worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from marketsentry.core.account.entries import Entry
from marketsentry.core.account.equity import Equity
from marketsentry.core.account.position import Position
from marketsentry.core.orders.order import Fill, Side

GLOBAL = "global"  # the reserved strategy that means a whole track
FEE_COINS = "fee-coins"  # the reserved strategy, and track, of an account that pays fees in coins of its own
PARITY = "parity-"  # begins the venue of an account in which a backtest was traded again
DRILL = "drill-"  # begins the venue of an account in which only a drill trades


@dataclass(frozen=True, slots=True)
class Account:
    """One account at one venue. Every product in it is quoted in `currency`."""

    id: int
    adapter: str
    venue: str
    name: str
    currency: str

    @property
    def is_apart(self) -> bool:
        """Whether a replay or a drill trades in it with play money: it counts for no risk but its own."""
        return is_apart(self.venue)

    @property
    def fee_coins(self) -> "SubLedger":
        """What the account itself has and owes by paying fees in a third currency; it is no strategy's, nor risk's."""
        return SubLedger(self.id, FEE_COINS, FEE_COINS)


def is_apart(venue: str) -> bool:
    """Whether an account at a venue of this name is one of a replay or a drill."""
    return venue.startswith((PARITY, DRILL))


@dataclass(frozen=True, slots=True)
class SubLedger:
    """The part of an account that belongs to one strategy of a track; that of `GLOBAL` is all of the track in it."""

    account_id: int
    strategy_id: str
    track: str

    @property
    def is_whole(self) -> bool:
        """Whether it is the sum over the strategies of a track."""
        return self.strategy_id == GLOBAL

    @property
    def whole(self) -> "SubLedger":
        """The sum that it belongs to."""
        return SubLedger(self.account_id, GLOBAL, self.track)


@dataclass(frozen=True, slots=True)
class Booking:
    """Fills of one leg of one order, as the venue told them; those that are known already are no harm."""

    ledger: SubLedger
    target: str
    side: Side
    order_id: int
    decision_id: str
    client_order_id: str
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class StoredFill:
    """A fill that is in the record, by its row id."""

    id: int
    fill: Fill


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """The position of one strategy in one target; `position.qty` may be zero."""

    ledger: SubLedger
    target: str
    position: Position


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A position that went from zero back to it: what it gained, net of its fees and funding."""

    target: str
    fill_id: int
    gain_quote: Decimal
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """What an order that may still fill would trade: `qty` base units, positive to buy; prices in quote currency."""

    order_id: int
    strategy_id: str
    target: str
    qty: Decimal
    est_price: Decimal | None


@dataclass(frozen=True, slots=True)
class EquityMark:
    """What a sub-ledger was worth at one time, and everything that it was worth that with.

    `gross_quote` is the sum of absolute notionals. `ledger_id` is the newest entry that counts, `marks` are the prices
    that were known, in quote currency, those of what was held among them.
    """

    equity: Equity
    cash_quote: Decimal
    gross_quote: Decimal
    ledger_id: int
    marks: Mapping[str, Decimal]
    decision_id: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerState:
    """All that figures of a sub-ledger need, of one point in time.

    `positions` are those that are not flat. `flows` were paid in after `last`, what it was worth last, None before the
    first mark. `trips` holds by strategy what the round trips gained that ended since a time, the last one first.
    """

    ledger: SubLedger
    positions: tuple[HeldPosition, ...]
    cash: Mapping[str, Decimal]
    flows: Mapping[str, Decimal]
    last: Equity | None
    newest_entry: int
    open_orders: tuple[OpenOrder, ...]
    trips: Mapping[str, tuple[Decimal, ...]]

    @property
    def on_their_way(self) -> tuple[str, ...]:
        """Targets that open orders may still trade and that are not held, in order: no mark says what they cost."""
        held = {one.target for one in self.positions}
        return tuple(dict.fromkeys(one.target for one in self.open_orders if one.target not in held))


@dataclass(frozen=True, slots=True)
class KnownPrice:
    """The newest price of a target in the record, when it was true, and who said so."""

    target: str
    price: Decimal
    at: datetime
    source: str


class AccountStore(Protocol):
    """Accounts and the sub-ledgers in them. What is read of a whole track is that of all strategies of it.

    Who writes to an account locks it first, so that entries of one account are written one after the other and the
    order of their ids is the order in which they count.
    """

    async def open(self, *, adapter: str, venue: str, name: str, currency: str) -> Account:
        """Create an account, or find the one that is there; `ConflictError` when it has another currency."""
        ...

    async def get(self, account_id: int) -> Account:
        """Read an account; raises `NotFoundError`."""
        ...

    async def find(self, *, adapter: str, venue: str, name: str) -> Account | None:
        """Find an account by its names."""
        ...

    async def list(self) -> Sequence[Account]:
        """List all accounts, oldest first."""
        ...

    async def lock(self, account_id: int) -> Account:
        """Read an account and keep other writers out until the transaction ends; raises `NotFoundError`."""
        ...

    async def hold(self, account: Account) -> None:
        """Lock an account that is known already; the lock is there before anything later is read."""
        ...

    async def sub_ledgers(
        self, *, account_id: int | None = None, track: str | None = None
    ) -> Sequence[SubLedger]:
        """Name the sub-ledgers that ever had an entry, those of all accounts and tracks or of one."""
        ...

    async def add_fills(self, booking: Booking, fees_quote: Sequence[Decimal]) -> Sequence[StoredFill]:
        """Insert the fills that are not known; `fees_quote` belong to the fills of the booking, one each.

        Returns those that are new, in the order in which they were given.
        """
        ...

    async def add_entries(self, ledger: SubLedger, entries: Sequence[Entry]) -> Mapping[str, int]:
        """Insert entries and move cash by them in one statement; gives the ids of those that were new by reference."""
        ...

    async def put_entries(self, ledger: SubLedger, entries: Sequence[Entry]) -> None:
        """Insert entries and move cash by them like `add_entries`, without being told which were new."""
        ...

    async def positions(self, ledger: SubLedger, *, target: str | None = None) -> Sequence[HeldPosition]:
        """Read positions by strategy and target, all or those in one target."""
        ...

    async def put_positions(self, positions: Sequence[HeldPosition]) -> None:
        """Insert or replace positions."""
        ...

    async def add_trips(self, ledger: SubLedger, trips: Sequence[RoundTrip]) -> None:
        """Append round trips that ended."""
        ...

    async def trips(self, ledger: SubLedger, *, since: datetime, limit: int) -> Sequence[RoundTrip]:
        """List round trips that ended at or after `since`, the last one first."""
        ...

    async def cash(self, ledger: SubLedger) -> Mapping[str, Decimal]:
        """Read cash by currency."""
        ...

    async def states(
        self, ledgers: Sequence[SubLedger], *, trips_since: datetime, max_trips: int
    ) -> Sequence[LedgerState]:
        """Read all that figures of sub-ledgers need by one statement; at most `max_trips` round trips of each."""
        ...

    async def of_track(self, track: str, *, account_id: int | None = None) -> Sequence[Account]:
        """List the accounts that have ever had an entry of a track, oldest first."""
        ...

    async def move_marks(
        self, ledger: SubLedger, marks: Mapping[str, Decimal], times: Mapping[str, datetime]
    ) -> None:
        """Set the last known prices of what is held, each of its time, where no later one is known."""
        ...

    async def known_prices(self, targets: Sequence[str], *, as_of: datetime) -> Sequence[KnownPrice]:
        """Read the newest price of each target: a spot price, or the close of a bar where that is newer."""
        ...

    async def newest_mark(self, ledger: SubLedger, *, before: datetime | None = None) -> EquityMark | None:
        """Read what it was worth last, or last at or before `before`; None when it was never marked."""
        ...

    async def add_marks(self, marks: Sequence[tuple[SubLedger, EquityMark]]) -> None:
        """Append what sub-ledgers are worth."""
        ...
