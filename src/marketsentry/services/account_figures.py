"""Reads from the ledger what risk must know: of one sub-ledger, or of a track."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.core.account.figures import Figures, Pending, account_figures, losing_streak
from marketsentry.core.account.position import marked_later
from marketsentry.core.market.symbols import SYNTHETIC_SOURCE
from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime
from marketsentry.core.risk.hard_rules import LossFigures
from marketsentry.core.risk.positions import Position
from marketsentry.exceptions import DataQualityError, DependencyError
from marketsentry.ports import Clock, Stores
from marketsentry.ports.accounts import GLOBAL, Account, HeldPosition, SubLedger
from marketsentry.ports.risk import AccountState
from marketsentry.services.ledger import PAPER, equity_now

STREAK_WINDOW = timedelta(hours=24)  # contract 1.5: newest first over 24 hours, at most 200
MAX_TRIPS = 200


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """`ports.risk.AccountFigures` over the ledger: all accounts with money of a track, or `account_id` alone.

    Holdings are weights with what open orders would add.
    """

    clock: Clock
    max_mark_age: timedelta
    account_id: int | None = None

    async def __call__(self, stores: Stores, *, track: str, strategy_id: str) -> AccountState:
        """Read losses and holdings; raises `DependencyError` when a figure cannot be told."""
        try:
            figures = await read_track_figures(
                stores,
                track=track,
                strategy_id=strategy_id,
                at=self.clock.now(),
                max_mark_age=self.max_mark_age,
                account_id=self.account_id,
            )
        except DataQualityError as error:
            raise DependencyError(f"the ledger of {track} cannot be read: {error}") from error
        if figures is None:
            return AccountState(LossFigures(), ())
        losses = LossFigures(
            max(0.0, float(figures.drawdown_frac)), float(figures.daily_loss_frac), figures.losing_streak
        )
        held = tuple(Position(target, float(weight), track) for target, weight in figures.weights.items())
        return AccountState(losses, held)


async def read_figures(
    stores: Stores, ledger: SubLedger, *, at: datetime, max_mark_age: timedelta
) -> Figures:
    """Read the figures of a strategy, or of a whole track in one account.

    Parameters
    ----------
    stores
        Of the caller's transaction; the account stays locked until it ends.
    ledger
        Whose figures. The streak of a whole track is the longest of its strategies.
    at
        Now.
    max_mark_age
        Prices of what is held may be this old.

    Returns
    -------
    Figures

    Raises
    ------
    DataQualityError
        If a figure cannot be told; see `core.account.figures.account_figures`.
    NotFoundError
        If there is no such account.
    """
    account = await stores.accounts.lock(ledger.account_id)  # or cash and positions were of different times
    held = await priced(stores, account, await stores.accounts.positions(ledger), at=at)
    now = await equity_now(stores, ledger, held, quote=account.currency, rates={}, at=at)
    pending = [
        Pending(order.target, order.qty, order.est_price)
        for order in await stores.accounts.open_orders(ledger)
        if order.qty
    ]
    return account_figures(
        now.equity,
        now.cash_quote,
        [(one.target, one.position) for one in held],
        pending,
        losing_streak=await _streak(stores, ledger, at=at),
        at=at,
        max_mark_age=max_mark_age,
    )


async def read_track_figures(
    stores: Stores,
    *,
    track: str,
    strategy_id: str,
    at: datetime,
    max_mark_age: timedelta,
    account_id: int | None = None,
) -> Figures | None:
    """Read the losses and weights of a track with the streak of one of its strategies (`global`: the longest).

    Parameters
    ----------
    stores
        Of the caller's transaction.
    track
        Which track.
    strategy_id
        Whose streak counts.
    at
        Now.
    max_mark_age
        Prices of what is held may be this old.
    account_id
        The account that is about to trade. Without it all accounts with money of the track count, and the paper
        accounts only where there are no others; each loss is then the worst of them, and a weight the largest.

    Returns
    -------
    Figures or None
        None when the track never had an entry in any account: there is nothing to lose.

    Raises
    ------
    DataQualityError
        If a figure cannot be told.
    """
    found = []
    for account in await accounts_of_track(stores, track=track, account_id=account_id):
        whole = SubLedger(account.id, GLOBAL, track)
        figures = await read_figures(stores, whole, at=at, max_mark_age=max_mark_age)
        streak = await _streak(stores, SubLedger(account.id, strategy_id, track), at=at)
        found.append(replace(figures, losing_streak=streak))
    if not found:
        return None
    worst = found[0]
    for one in found[1:]:
        worst = _worse(worst, one)
    return worst


async def priced(
    stores: Stores, account: Account, held: Sequence[HeldPosition], *, at: datetime
) -> list[HeldPosition]:
    """Move the marks of what is held to the newest price of the record, where that is later.

    What was made up values paper accounts only.
    """
    moved = []
    for one in held:
        price = None
        if one.position.qty:
            price = await stores.predictions.newest_price(one.target, as_of_ns=datetime_to_ns(at))
        if price is None or (account.adapter != PAPER and price.source.startswith(SYNTHETIC_SOURCE)):
            moved.append(one)
            continue
        known_at = ns_to_datetime(price.at_ns)
        moved.append(replace(one, position=marked_later(one.position, Decimal(str(price.value)), known_at)))
    return moved


async def accounts_of_track(stores: Stores, *, track: str, account_id: int | None = None) -> list[Account]:
    """Name the accounts that count for a track: those with money, or the paper accounts where there are no others."""
    ledgers = await stores.accounts.sub_ledgers(account_id=account_id, track=track)
    found = [await stores.accounts.get(one) for one in dict.fromkeys(each.account_id for each in ledgers)]
    real = [account for account in found if account.adapter != PAPER]
    return real or found


async def _streak(stores: Stores, ledger: SubLedger, *, at: datetime) -> int:
    since = at - STREAK_WINDOW
    if not ledger.is_whole:
        trips = await stores.accounts.trips(ledger, since=since, limit=MAX_TRIPS)
        return losing_streak(trip.gain_quote for trip in trips)
    parts = [
        one
        for one in await stores.accounts.sub_ledgers(account_id=ledger.account_id, track=ledger.track)
        if not one.is_whole
    ]
    return max([await _streak(stores, one, at=at) for one in parts], default=0)


def _worse(one: Figures, other: Figures) -> Figures:
    marks = [mark for mark in (one.oldest_mark_at, other.oldest_mark_at) if mark is not None]
    return Figures(
        equity_quote=one.equity_quote + other.equity_quote,
        cash_quote=one.cash_quote + other.cash_quote,
        drawdown_frac=max(one.drawdown_frac, other.drawdown_frac),
        daily_loss_frac=max(one.daily_loss_frac, other.daily_loss_frac),
        losing_streak=max(one.losing_streak, other.losing_streak),
        held=_larger(one.held, other.held),
        weights=_larger(one.weights, other.weights),
        oldest_mark_at=min(marks, default=None),
    )


def _larger(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> dict[str, Decimal]:
    zero = Decimal(0)
    return {target: max(one.get(target, zero), other.get(target, zero), key=abs) for target in (*one, *other)}
