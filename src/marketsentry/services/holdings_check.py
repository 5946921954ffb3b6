"""Hold the ledgers against the venues: does each account hold what its ledgers say (K-29, ADR 0216).

Nothing is corrected, bought or sold here: a difference is a fact with an alert, and a person decides. What differs only
because something is on its way goes away by itself, so a difference is looked at twice before it is told; and what the
venue moved by itself, payments for perpetual positions, is booked before the watch looks.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import structlog

from marketsentry.core.account.netting import Mismatch, held_as
from marketsentry.core.market.symbols import Market, market_of_symbol
from marketsentry.core.orders.order import ZERO, OrderStatus
from marketsentry.exceptions import DependencyError
from marketsentry.ports.accounts import Account
from marketsentry.ports.execution import Sleep
from marketsentry.ports.risk import RiskEvent, Severity
from marketsentry.services.execution_request import AdmitParts
from marketsentry.services.flat_proof import CALL_S
from marketsentry.services.funding import book_funding
from marketsentry.services.ledger import PAPER
from marketsentry.services.netting import compare_with_venue
from marketsentry.services.passes import keep_passing

EVERY_S = 30.0
SECOND_LOOK_S = 0.5
STUCK_LOOKS = 20  # so often an order was open and nothing new was written of it: ten minutes
_ANSWERS_S = 3 * CALL_S  # balances, positions, products
_CASH_STEP = Decimal("0.01")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """One account held against its venue.

    `unreached` says why the venue could not be asked; then nothing was compared. `open_orders` may still fill, and
    what they trade is not compared; of those the venue does not answer for `unknown_orders`. `moving` are they with
    the number of their events.
    """

    account: Account
    open_orders: tuple[int, ...]
    unknown_orders: tuple[int, ...]
    differences: tuple[Mismatch, ...] = ()
    unreached: str | None = None
    moving: tuple[tuple[int, int], ...] = ()

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
                Severity.CRITICAL if _is_traded(self.account, one) else Severity.WARNING,
                f"venue_mismatch:{adapter}:{venue}:{one.name}",
                f"{venue} holds {one.venue_qty} {one.name}, the ledgers {one.ledger_qty}",
                payload={"ledger_qty": str(one.ledger_qty), "venue_qty": str(one.venue_qty)},
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
        accounts = [one for one in await stores.accounts.list() if not one.is_apart]
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
    _looks: dict[tuple[int, int], int] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Check now and again until `stop` is set."""
        await keep_passing(
            self.once,
            name="holdings_check",
            every_s=EVERY_S,
            stop=stop,
            transactions=self.parts.transactions,
        )

    async def once(self) -> Sequence[AccountCheck]:
        """Check once. An alert is stored when it appears or its figures change, and its end is an `info` event.

        An order that is stuck is told too: while it is open, what it trades is not compared.
        """
        unbooked: Exception | None = None
        try:
            await book_funding(
                transactions=self.parts.transactions, venues=self.parts.venues, clock=self.parts.clock
            )
        except Exception as error:  # noqa: BLE001 - it is raised below: what is held is looked at all the same
            unbooked = error
        checks = await self._checked()
        if unbooked is not None:
            raise unbooked
        return checks

    async def _checked(self) -> Sequence[AccountCheck]:
        checks = await check_accounts(self.parts, sleep=self.sleep)
        new = self._stuck(checks)
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

    def _stuck(self, checks: Sequence[AccountCheck]) -> list[RiskEvent]:
        self._looks = {one: self._looks.get(one, 0) + 1 for check in checks for one in check.moving}
        return [
            RiskEvent(
                Severity.CRITICAL,
                f"order_stuck:{check.account.adapter}:{check.account.venue}:{order_id}",
                f"order {order_id} is open, and nothing came of it in {STUCK_LOOKS} looks",
            )
            for check in checks
            for order_id, version in check.moving
            if self._looks[order_id, version] == STUCK_LOOKS
        ]


async def _look(account: Account, parts: AdmitParts) -> AccountCheck:
    found: Sequence[Mismatch] = ()
    unreached = None
    has_contracts = account.adapter != PAPER
    try:
        venue = await parts.venues.open(account.adapter, account.venue, fee_bps=ZERO)
        async with asyncio.timeout(_ANSWERS_S):
            found = await compare_with_venue(
                account, venue, transactions=parts.transactions, has_contracts=has_contracts
            )
    except (DependencyError, TimeoutError) as error:
        unreached = str(error) or f"no answer within {_ANSWERS_S:g} s"
    async with parts.transactions() as stores:
        moving = await stores.orders.open(account_id=account.id)
    skipped = {held_as(one.target, has_contracts=has_contracts) for one in moving}
    if moving or account.adapter == PAPER:  # each strategy has a capital of its own on paper
        skipped.add(account.currency)
    return AccountCheck(
        account=account,
        open_orders=tuple(one.id for one in moving),
        unknown_orders=tuple(one.id for one in moving if one.status is OrderStatus.UNKNOWN),
        differences=tuple(one for one in found if one.name not in skipped and not _is_a_cent(account, one)),
        unreached=unreached,
        moving=tuple((one.id, one.version) for one in moving),
    )


def _is_a_cent(account: Account, one: Mismatch) -> bool:
    """Whether cash is off by what rounding of fees makes."""
    return one.name == account.currency and abs(one.missing_qty) < _CASH_STEP


def _is_traded(account: Account, one: Mismatch) -> bool:
    """Whether a position is at stake: a ledger holds it, or it is a contract. Else somebody paid something in."""
    if one.name == account.currency:
        return False
    return bool(one.ledger_qty) or market_of_symbol(one.name) is Market.PERP
