"""Reads from the ledger what risk must know: of one sub-ledger, or of a track."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.core.account.figures import Figures, Pending, account_figures, losing_streak
from marketsentry.core.account.position import marked_later
from marketsentry.core.market.symbols import SYNTHETIC_SOURCE
from marketsentry.core.risk.hard_rules import LossFigures
from marketsentry.core.risk.positions import Position
from marketsentry.exceptions import DataQualityError, DependencyError
from marketsentry.ports import Clock, Stores
from marketsentry.ports.accounts import GLOBAL, Account, EquityMark, KnownPrice, LedgerState, SubLedger
from marketsentry.ports.risk import AccountState
from marketsentry.services.ledger import PAPER, equity_of

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
        Of the caller's transaction.
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
    return await _figures(stores, account, ledger, ledger.strategy_id, at=at, max_mark_age=max_mark_age)


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
        found.append(await _figures(stores, account, whole, strategy_id, at=at, max_mark_age=max_mark_age))
    if not found:
        return None
    worst = found[0]
    for one in found[1:]:
        worst = _worse(worst, one)
    return worst


async def current_state(stores: Stores, account: Account, ledger: SubLedger, *, at: datetime) -> LedgerState:
    """Read the state of a sub-ledger, its marks moved to the newest prices of the record where those are later.

    What was made up values paper accounts only. Nothing is written.
    """
    (state,) = await stores.accounts.states([ledger], trips_since=at - STREAK_WINDOW, max_trips=MAX_TRIPS)
    older = sorted(
        {
            one.target
            for one in state.positions
            if one.position.marked_at is None or one.position.marked_at < at
        }
    )
    if not older:
        return state
    known = {one.target: one for one in await record_prices(stores, account.adapter, older, at=at)}
    moved = [
        replace(one, position=marked_later(one.position, known[one.target].price, known[one.target].at))
        if one.target in known
        else one
        for one in state.positions
    ]
    return replace(state, positions=tuple(moved))


async def record_prices(
    stores: Stores, adapter: str, targets: Sequence[str], *, at: datetime
) -> Sequence[KnownPrice]:
    """Read the newest price of each target, where there is one; what was made up prices paper alone."""
    found = await stores.accounts.known_prices(targets, as_of=at) if targets else ()
    return [one for one in found if adapter == PAPER or not one.source.startswith(SYNTHETIC_SOURCE)]


async def accounts_of_track(
    stores: Stores, *, track: str, account_id: int | None = None
) -> Sequence[Account]:
    """Name the accounts that count for a track: those with money, or the paper accounts where there are no others.

    Those of replays and drills count only where they are asked for.
    """
    found = await stores.accounts.of_track(track, account_id=account_id)
    if account_id is None:
        found = [account for account in found if not account.is_apart]
    real = [account for account in found if account.adapter != PAPER]
    return real or found


async def _figures(
    stores: Stores,
    account: Account,
    ledger: SubLedger,
    strategy_id: str,
    *,
    at: datetime,
    max_mark_age: timedelta,
) -> Figures:
    state = await current_state(stores, account, ledger, at=at)
    now = equity_of(state, quote=account.currency, rates={}, at=at)
    found = await record_prices(stores, account.adapter, state.on_their_way, at=at)
    market = {one.target: one.price for one in found}
    return figures_of(state, now, strategy_id, at=at, max_mark_age=max_mark_age, market=market)


def figures_of(
    state: LedgerState,
    now: EquityMark,
    strategy_id: str,
    *,
    at: datetime,
    max_mark_age: timedelta,
    market: Mapping[str, Decimal],
) -> Figures:
    """Tell the figures of a state and what it is worth, with the streak of a strategy (`global`: the longest).

    Raises `DataQualityError` if a figure cannot be told; see `core.account.figures.account_figures`.
    """
    strategies = state.trips if strategy_id == GLOBAL else (strategy_id,)
    return account_figures(
        now.equity,
        now.cash_quote,
        [(one.target, one.position) for one in state.positions],
        [Pending(order.target, order.qty, order.est_price) for order in state.open_orders if order.qty],
        losing_streak=max((losing_streak(state.trips.get(one, ())) for one in strategies), default=0),
        at=at,
        max_mark_age=max_mark_age,
        market=market,
    )


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
