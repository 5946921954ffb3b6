"""What accounts are worth now, one line per strategy, for a person who asks."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketsentry.core.orders.order import ZERO
from marketsentry.exceptions import DataQualityError
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.accounts import Account, SubLedger
from marketsentry.services.account_figures import current_state
from marketsentry.services.ledger import equity_of


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """One strategy in one account, in the currency of the account.

    The figures are None where something that is held has no price; `reason` says what. `oldest_mark_at` is when the
    oldest price of what is held was made.
    """

    account_id: int
    adapter: str
    venue: str
    account: str
    currency: str
    strategy_id: str
    track: str
    n_positions: int
    equity: Decimal | None
    day_pnl: Decimal | None
    drawdown_frac: Decimal | None
    oldest_mark_at: datetime | None
    reason: str | None

    @property
    def daily_loss_frac(self) -> Decimal | None:
        """What was lost of the equity that the day began with; zero for a gain, None without figures."""
        if self.equity is None or self.day_pnl is None:
            return None
        began = self.equity - self.day_pnl
        return max(ZERO, -self.day_pnl) / began if began > 0 else ZERO


async def read_account_status(*, transactions: Transactions, clock: Clock) -> tuple[LedgerStatus, ...]:
    """Value every strategy of every account at the newest prices of the record; nothing is written."""
    found: list[LedgerStatus] = []
    async with transactions() as stores:
        for account in await stores.accounts.list():
            ledgers = await stores.accounts.sub_ledgers(account_id=account.id)
            found += [
                await _status(stores, account, ledger, at=clock.now())
                for ledger in ledgers
                if ledger != account.fee_coins
            ]
    return tuple(found)


async def _status(stores: Stores, account: Account, ledger: SubLedger, *, at: datetime) -> LedgerStatus:
    state = await current_state(stores, account, ledger, at=at)
    open_ones = [one.position for one in state.positions]
    marked_at = [position.marked_at for position in open_ones if position.marked_at is not None]
    equity, reason = None, None
    try:
        equity = equity_of(state, quote=account.currency, rates={}, at=at).equity
    except DataQualityError as error:
        reason = str(error)
    return LedgerStatus(
        account_id=account.id,
        adapter=account.adapter,
        venue=account.venue,
        account=account.name,
        currency=account.currency,
        strategy_id=ledger.strategy_id,
        track=ledger.track,
        n_positions=len(open_ones),
        equity=None if equity is None else equity.equity_quote,
        day_pnl=None if equity is None else equity.equity_quote - equity.day_start_quote,
        drawdown_frac=None if equity is None else equity.drawdown_frac,
        oldest_mark_at=min(marked_at, default=None),
        reason=reason,
    )
