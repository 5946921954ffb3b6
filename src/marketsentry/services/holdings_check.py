"""Hold the ledgers against the venues: does each account hold what its ledgers say (K-29, ADR 0216).

Nothing is booked, bought or sold here: a difference is a fact with an alert, and a person decides. What differs only
because something is on its way goes away by itself, so a difference is looked at twice before it is told.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import structlog

from marketsentry.core.account.venue_match import (
    Kind,
    VenueDifference,
    compare,
    held_as,
    ledger_holding,
    lots_of,
)
from marketsentry.core.orders.order import ZERO, OrderStatus
from marketsentry.exceptions import DependencyError, MarketSentryError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import GLOBAL, Account, SubLedger
from marketsentry.ports.execution import Sleep
from marketsentry.ports.risk import RiskEvent, Severity
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.flat_proof import AccountFacts, VenueFacts, ask_venue, read_account
from marketsentry.services.ledger import PAPER

EVERY_S = 30.0
SECOND_LOOK_S = 0.5
_CASH_STEP = Decimal("0.01")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """One account held against its venue.

    `unreached` says why the venue could not be asked; then nothing was compared. `open_orders` may still fill, and
    what they trade is not compared; of those the venue does not answer for `unknown_orders`.
    """

    account: Account
    open_orders: tuple[int, ...]
    unknown_orders: tuple[int, ...]
    differences: tuple[VenueDifference, ...] = ()
    unreached: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether the venue was asked and says the same."""
        return self.unreached is None and not (self.differences or self.unknown_orders)

    def document(self) -> dict[str, Any]:
        """Spell it as JSON values; quantities are decimals in text, exact."""
        return {
            "adapter": self.account.adapter,
            "venue": self.account.venue,
            "agrees": self.agrees,
            "open_orders": list(self.open_orders),
            "unknown_orders": list(self.unknown_orders),
            "differences": [
                {
                    "kind": str(one.kind),
                    "name": one.name,
                    "ledger_qty": str(one.ledger_qty),
                    "venue_qty": str(one.venue_qty),
                }
                for one in self.differences
            ],
            "unreached": self.unreached,
        }

    def events(self) -> list[RiskEvent]:
        """Make the alerts of what was found."""
        adapter, venue = self.account.adapter, self.account.venue
        if self.unreached is not None:
            code = f"venue_unreached:{adapter}:{venue}"
            return [RiskEvent(Severity.WARNING, code, f"{venue} could not be asked: {self.unreached}")]
        return [
            RiskEvent(
                Severity.WARNING if one.kind is Kind.CASH else Severity.CRITICAL,
                f"venue_mismatch:{adapter}:{venue}:{one.name}",
                f"{venue} holds {one.venue_qty} {one.name}, the ledgers {one.ledger_qty}",
                payload={
                    "kind": str(one.kind),
                    "ledger_qty": str(one.ledger_qty),
                    "venue_qty": str(one.venue_qty),
                },
            )
            for one in self.differences
        ]


async def check_accounts(parts: AdmitParts, *, sleep: Sleep = asyncio.sleep) -> Sequence[AccountCheck]:
    """Hold every account against its venue, but for replays of backtests.

    Parameters
    ----------
    parts
        The record and the venues.
    sleep
        Waits between two looks.

    Returns
    -------
    sequence of AccountCheck
        One per account, oldest first. A difference was seen twice with the same figures.

    Raises
    ------
    DependencyError
        If the record is away.
    """
    async with parts.transactions() as stores:
        accounts = [one for one in await stores.accounts.list() if not one.is_replay]
    checks = []
    for account in accounts:
        check = await _look(account, parts)
        if check.differences:
            await sleep(SECOND_LOOK_S)
            again = await _look(account, parts)
            seen = tuple(one for one in again.differences if one in check.differences)
            check = replace(again, differences=seen)
        checks.append(check)
    return checks


async def tell_checks(checks: Iterable[AccountCheck], parts: AdmitParts) -> None:
    """Store the alerts of checks."""
    events = [event for one in checks for event in one.events()]
    if events:
        async with parts.transactions() as stores:
            await stores.risk.add_events(events)


@dataclass(slots=True)
class HoldingsWatch:
    """Checks all accounts at the start and on a timer, and tells what is new; make one per process that executes.

    Parameters
    ----------
    parts
        The record and the venues.
    sleep
        Waits between two looks.
    """

    parts: AdmitParts
    sleep: Sleep = asyncio.sleep
    _told: dict[int, frozenset[tuple[str, str]]] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Check now and again until `stop` is set."""
        while not stop.is_set():
            try:
                await self.once()
            except MarketSentryError as error:
                log.warning("holdings_not_checked", reason=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await stop.wait()

    async def once(self) -> Sequence[AccountCheck]:
        """Check once. An alert is stored when it appears or its figures change, and its end is an `info` event."""
        checks = await check_accounts(self.parts, sleep=self.sleep)
        new: list[RiskEvent] = []
        for check in checks:
            before = self._told.get(check.account.id, frozenset())
            found = check.events()
            now = frozenset((one.code, one.message) for one in found)
            new += [one for one in found if (one.code, one.message) not in before]
            if before and not now:
                code = f"venue_matches:{check.account.adapter}:{check.account.venue}"
                new.append(
                    RiskEvent(Severity.INFO, code, f"{check.account.venue} and the ledgers agree again")
                )
            self._told[check.account.id] = now
        if new:
            async with self.parts.transactions() as stores:
                await stores.risk.add_events(new)
            log.warning("holdings_checked", codes=[one.code for one in new])
        return checks


async def _look(account: Account, parts: AdmitParts) -> AccountCheck:
    shown: VenueFacts | None = None
    unreached = None
    try:
        venue = await parts.venues.open(account.adapter, account.venue, fee_bps=ZERO)
        shown = await ask_venue(venue)
    except DependencyError as error:
        unreached = str(error)
    async with parts.transactions() as stores:
        facts = await read_account(stores, account)
        cash = await _cash(stores, account)
    ids = tuple(one.id for one in facts.open_orders)
    unknown = tuple(one.id for one in facts.open_orders if one.status is OrderStatus.UNKNOWN)
    if shown is None:
        return AccountCheck(account, ids, unknown, unreached=unreached)
    return AccountCheck(account, ids, unknown, _differences(account, facts, shown, cash))


def _differences(
    account: Account, facts: AccountFacts, shown: VenueFacts, cash: Decimal
) -> tuple[VenueDifference, ...]:
    has_contracts = account.adapter != PAPER
    ledger = ledger_holding(
        ((one.target, one.position.qty) for one in facts.held), has_contracts=has_contracts
    )
    moving = {held_as(one.target, has_contracts=has_contracts) for one in facts.open_orders}
    lots = lots_of(shown.products, has_contracts=has_contracts)
    found = compare(ledger, shown.holding, lots, skipped=moving)
    if moving or account.adapter == PAPER:  # each strategy has a capital of its own on paper
        return found
    has = shown.holding.totals.get(account.currency, ZERO)
    off = VenueDifference(Kind.CASH, account.currency, cash, has)
    return found if abs(off.off_qty) < _CASH_STEP else (*found, off)


async def _cash(stores: Stores, account: Account) -> Decimal:
    tracks = {one.track for one in await stores.accounts.sub_ledgers(account_id=account.id)}
    total = ZERO
    for track in sorted(tracks):
        found = await stores.accounts.cash(SubLedger(account.id, GLOBAL, track))
        total += found.get(account.currency, ZERO)
    return total
