"""Reads from the ledger what risk must know: of one sub-ledger, or of a track."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.core.account.figures import Figures, Pending, account_figures, losing_streak
from marketsentry.ports import Stores
from marketsentry.ports.accounts import GLOBAL, Account, SubLedger
from marketsentry.services.ledger import PAPER, equity_now

STREAK_WINDOW = timedelta(hours=24)  # contract 1.5: newest first over 24 hours, at most 200
MAX_TRIPS = 200


async def read_figures(
    stores: Stores, ledger: SubLedger, *, at: datetime, max_mark_age: timedelta
) -> Figures:
    """Read the figures of a strategy, or of a whole track in one account.

    Parameters
    ----------
    stores
        Of a transaction that sees nothing of what others have not finished.
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
    account = await stores.accounts.get(ledger.account_id)
    held = await stores.accounts.positions(ledger)
    now = await equity_now(stores, ledger, quote=account.currency, rates={}, at=at)
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
    for account in await _accounts(stores, track=track, account_id=account_id):
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


async def _accounts(stores: Stores, *, track: str, account_id: int | None) -> list[Account]:
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
