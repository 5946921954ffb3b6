"""Accounts on a terminal, 80 columns wide, and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from marketsentry.services.rebuild import AccountRebuild
from marketsentry.services.status_accounts import LedgerStatus

MONEY_DIGITS = 8
FRACTION_DIGITS = 6
MOST_DIFFERENCES = 50


def account_document(status: LedgerStatus) -> dict[str, Any]:
    """Make the JSON document of one strategy: numbers instead of decimals."""
    document = asdict(status)
    for name in ("equity", "day_pnl"):
        document[name] = _number(document[name], MONEY_DIGITS)
    document["drawdown_frac"] = _number(document["drawdown_frac"], FRACTION_DIGITS)
    return document


def print_accounts(accounts: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print one line per strategy of each account."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("account", "strategy", "equity", "day pnl", "drawdown", "open"):
        is_number = column not in ("account", "strategy")
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for one in accounts:
        table.add_row(
            f"{one['account_id']} {one['adapter']}",
            one["strategy_id"],
            "-" if one["equity"] is None else f"{one['equity']:,.2f} {one['currency']}",
            "-" if one["day_pnl"] is None else f"{one['day_pnl']:+,.2f}",
            "-" if one["drawdown_frac"] is None else f"{one['drawdown_frac']:.2%}",
            str(one["n_positions"]),
        )
    console.print(table)
    for one in accounts:
        if one["reason"]:
            console.print(
                f"account {one['account_id']} {one['strategy_id']}: {one['reason']}", style="yellow"
            )


def print_rebuild(accounts: Sequence[AccountRebuild], console: Console | None = None) -> None:
    """Print how many entries each account has and every figure that differs."""
    console = console or Console(highlight=False)
    if not accounts:
        console.print("no accounts yet")
    for one in accounts:
        name = f"account {one.account.id} ({one.account.name} of {one.account.adapter})"
        if not one.differences:
            console.print(
                f"{name}: {one.n_entries:,} entries, every row is what they add up to", style="green"
            )
            continue
        end = "written" if one.is_fixed else "write them with --fix"
        console.print(
            f"{name}: {one.n_entries:,} entries, {len(one.differences):,} figures differ: {end}", style="red"
        )
        for each in one.differences[:MOST_DIFFERENCES]:
            console.print(
                f"  {each.what} {each.name} {each.field}: stored {each.stored}, rebuilt {each.rebuilt}"
            )
        if len(one.differences) > MOST_DIFFERENCES:
            console.print(f"  and {len(one.differences) - MOST_DIFFERENCES:,} more", style="dim")


def _number(value: Decimal | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
