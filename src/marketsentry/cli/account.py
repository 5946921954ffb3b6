"""`ms account`: what accounts hold, and what a person books in them by hand."""

from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json
from marketsentry.exceptions import InputError

if TYPE_CHECKING:
    from marketsentry.bootstrap import System
    from marketsentry.services.payments import LedgerName, Paid

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

Amount = Annotated[str, typer.Argument(help="Exact decimal, in the currency of the account.")]
Reference = Annotated[str, typer.Option(help="Names the payment; it is booked once.")]
Adapter = Annotated[str, typer.Option(help="paper, coinbase_live, ...")]
Venue = Annotated[str, typer.Option(help="Where the account is.")]
Name = Annotated[str, typer.Option("--account", help="Its name there.")]
Currency = Annotated[str, typer.Option(help="Its currency.")]
Strategy = Annotated[str, typer.Option(help="Whose part of it.")]
Track = Annotated[str, typer.Option(help="vc or liquid.")]
Json = Annotated[bool, typer.Option("--json", help=JSON_HELP)]

STRATEGY = "default-liquid-v1"


@app.callback()
def account() -> None:
    """List accounts; book payments and corrections in them.

    Example:  ms account list
    """


@app.command("list")
def list_accounts(as_json: Json = False) -> None:
    """List what each strategy of each account is worth at the newest prices of the record.

    Example:  ms account list --json
    """
    import asyncio

    from rich.console import Console

    from marketsentry.bootstrap import join_system
    from marketsentry.cli.account_screen import account_document, print_accounts
    from marketsentry.services.status_accounts import LedgerStatus, read_account_status

    async def run() -> tuple[LedgerStatus, ...]:
        async with join_system() as system:
            return await read_account_status(transactions=system.transactions, clock=system.clock)

    found = [account_document(one) for one in asyncio.run(run())]
    if as_json:
        print_json(found)
    elif found:
        print_accounts(found, Console(highlight=False))
    else:
        typer.echo("no accounts yet")


@app.command()
def deposit(
    amount: Amount,
    reference: Reference,
    adapter: Adapter = "paper",
    venue: Venue = "coinbase",
    name: Name = "main",
    currency: Currency = "USD",
    strategy: Strategy = STRATEGY,
    track: Track = "liquid",
    as_json: Json = False,
) -> None:
    """Book what was paid in; an account that is not there yet is created. A second one of a name changes nothing.

    Example:  ms account deposit 2500.50 --reference wire-17
    """
    to = _ledger(adapter, venue, name, currency, strategy, track)
    _pay(to, _positive(amount), reference, as_json=as_json)


@app.command()
def withdraw(
    amount: Amount,
    reference: Reference,
    adapter: Adapter = "paper",
    venue: Venue = "coinbase",
    name: Name = "main",
    currency: Currency = "USD",
    strategy: Strategy = STRATEGY,
    track: Track = "liquid",
    as_json: Json = False,
) -> None:
    """Book what was paid out. A second one of a name changes nothing.

    Example:  ms account withdraw 100 --reference wire-18
    """
    to = _ledger(adapter, venue, name, currency, strategy, track)
    _pay(to, -_positive(amount), reference, as_json=as_json)


@app.command("adjust")
def adjust_cash(
    amount: Amount,
    reason: Annotated[str, typer.Option(help="Why; it is kept, and corrects once.")],
    adapter: Adapter = "paper",
    venue: Venue = "coinbase",
    name: Name = "main",
    currency: Currency = "USD",
    strategy: Strategy = STRATEGY,
    track: Track = "liquid",
    as_json: Json = False,
) -> None:
    """Correct cash that differs from the venue; it counts as gain or loss. A loss is written `-- -0.25`.

    Example:  ms account adjust 0.25 --reason "rebate that no fill told"
    """
    to, corrected = _ledger(adapter, venue, name, currency, strategy, track), _decimal(amount)

    async def run(system: "System") -> "Paid":
        from marketsentry.services.payments import adjust_by_hand

        return await adjust_by_hand(
            to, corrected, reason=reason, transactions=system.transactions, clock=system.clock
        )

    _tell(run, as_json=as_json)


def _pay(to: "LedgerName", amount: Decimal, reference: str, *, as_json: bool) -> None:
    async def run(system: "System") -> "Paid":
        from marketsentry.services.payments import pay_by_hand

        return await pay_by_hand(
            to, amount, reference=reference, transactions=system.transactions, clock=system.clock
        )

    _tell(run, as_json=as_json)


def _tell(book: Callable[["System"], Awaitable["Paid"]], *, as_json: bool) -> None:
    import asyncio

    from marketsentry.bootstrap import join_system

    async def run() -> "Paid":
        async with join_system() as system:
            return await book(system)

    paid = asyncio.run(run())
    if as_json:
        print_json(paid)
        return
    what = "booked" if paid.is_new else "known already, nothing was booked"
    typer.echo(
        f"{what}: {paid.ledger.strategy_id} has {paid.cash:,f} {paid.currency} in account {paid.account.id}"
    )


def _ledger(adapter: str, venue: str, name: str, currency: str, strategy: str, track: str) -> "LedgerName":
    from marketsentry.services.payments import LedgerName

    if track not in ("vc", "liquid"):
        raise InputError(f"--track must be vc or liquid, was {track!r}")
    return LedgerName(adapter, venue, name, currency, strategy, track)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InputError(f"amount must be a decimal number, was {text!r}") from None


def _positive(text: str) -> Decimal:
    amount = _decimal(text)
    if not amount > 0:
        raise InputError(f"amount must be > 0, was {text}")
    return amount
