"""Accounts as a person sees them."""

import io
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console

from marketsentry.cli.account_screen import account_document, print_accounts, print_rebuild
from marketsentry.core.account.differences import Difference
from marketsentry.ports.accounts import Account
from marketsentry.services.rebuild import AccountRebuild
from marketsentry.services.status_accounts import LedgerStatus

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def status(*, equity: str | None, reason: str | None = None) -> LedgerStatus:
    worth = None if equity is None else Decimal(equity)
    return LedgerStatus(
        account_id=1,
        adapter="coinbase_live",
        venue="coinbase",
        account="main",
        currency="USDC",
        strategy_id="default-liquid-v1",
        track="liquid",
        n_positions=3,
        equity=worth,
        day_pnl=None if worth is None else Decimal("-1234.5"),
        drawdown_frac=None if worth is None else Decimal("0.0123"),
        oldest_mark_at=AT,
        reason=reason,
    )


def test_accounts_fit_80_columns_and_say_what_is_missing() -> None:
    out = io.StringIO()
    told = [
        account_document(status(equity="1234567.891")),
        account_document(status(equity=None, reason="no price of BTC")),
    ]
    print_accounts(told, Console(file=out, width=80, highlight=False))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert all(word in text for word in ("1,234,567.89", "-1,234.50", "1.23%", "no price of BTC"))


def test_a_rebuild_says_what_differs_and_what_to_do() -> None:
    account = Account(1, "paper", "coinbase", "main", "USD")
    difference = Difference("position", "trend BTC", "qty", "3", "2")
    out = io.StringIO()
    console = Console(file=out, width=120, highlight=False)
    print_rebuild([], console)
    print_rebuild([AccountRebuild(account, 1200, (), False)], console)
    print_rebuild([AccountRebuild(account, 7, (difference,) * 60, False)], console)
    print_rebuild([AccountRebuild(account, 7, (difference,), True)], console)
    text = out.getvalue()
    assert "no accounts yet" in text
    assert "1,200 entries, every row is what they add up to" in text
    assert "position trend BTC qty: stored 3, rebuilt 2" in text
    assert "60 figures differ: write them with --fix" in text
    assert "and 10 more" in text
    assert "1 figures differ: written" in text
