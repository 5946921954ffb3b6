"""`ms orders`: what was ordered, what became of it, and why; and whether the venues say the same."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from marketsentry.services.execution import ToldOrder
    from marketsentry.services.paging import Page

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

EXIT_DIFFERS = 3
SETTLE_WITHIN_S = 30.0
Json = Annotated[bool, typer.Option("--json", help=JSON_HELP)]


@app.callback()
def orders() -> None:
    """List orders, and say why one was made and what became of it.

    Example:  ms orders list
    """


@app.command(name="list")
def list_newest(
    status: Annotated[
        list[str] | None, typer.Option(help="Only these, such as `filled`; may be given again.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Only this target, as it is stored.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Only this strategy.")] = None,
    before: Annotated[int | None, typer.Option(help="Only orders with a lower id: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """List orders, newest first.

    Exit code 0, also when there are none; 2 for an unknown status.

    Example:  ms orders list --status filled --status partially_filled
    """
    import asyncio

    from marketsentry.bootstrap import join_system
    from marketsentry.cli.orders_output import print_orders
    from marketsentry.core.orders.order import OrderStatus
    from marketsentry.exceptions import InputError
    from marketsentry.ports.orders import OrderFilter
    from marketsentry.services.execution import list_orders
    from marketsentry.services.execution_why import order_row

    known = [str(one) for one in OrderStatus]
    for one in status or ():
        if one not in known:
            raise InputError(f"status must be one of {', '.join(known)}, was {one}")
    wanted = OrderFilter(tuple(OrderStatus(one) for one in status or ()), None, target, strategy)

    async def run() -> "Page[ToldOrder, int]":
        async with join_system() as system:
            return await list_orders(wanted, before_id=before, limit=limit, transactions=system.transactions)

    page = asyncio.run(run())
    rows = [order_row(one) for one in page.items]
    if as_json:
        print_json({"orders": rows, "next_before": page.next_key})
    else:
        print_orders(rows, page.next_key)


@app.command()
def reconcile(as_json: Json = False) -> None:
    """Hold the record against the venues: ask for open orders again, compare orders, trades and holdings.

    Nothing is cancelled and nothing is booked: what differs becomes a risk event. Exit code 0 when all agree; 3 when
    something differs, is unknown, or a venue could not be asked.

    Example:  ms orders reconcile --json
    """
    import asyncio

    from marketsentry.bootstrap import join_system
    from marketsentry.cli.orders_output import print_reconciled
    from marketsentry.services.execution_reconcile import ReconcileParts, reconcile_all
    from marketsentry.services.holdings_check import check_accounts, tell_checks

    async def run() -> dict[str, Any]:
        async with join_system() as system:
            await system.executor.settle(await system.executor.claim_open(), within_s=SETTLE_WITHIN_S)
            strays = await reconcile_all(ReconcileParts(system.transactions, system.venues, system.clock))
            checks = await check_accounts(system.execution.admit)
            await tell_checks(checks, system.execution.admit)
        return {
            "agrees": not strays and all(one.agrees for one in checks),
            "accounts": [one.document() for one in checks],
            "not_in_record": [
                {
                    "code": one.code,
                    "adapter": one.adapter,
                    "venue": one.venue,
                    "symbol": one.symbol,
                    "name": one.name,
                    "client_order_id": one.client_order_id,
                    "qty": str(one.qty),
                }
                for one in strays
            ],
        }

    found = asyncio.run(run())
    if as_json:
        print_json(found)
    else:
        print_reconciled(found)
    raise typer.Exit(0 if found["agrees"] else EXIT_DIFFERS)


@app.command()
def costs(
    fit: Annotated[bool, typer.Option(help="Fit anew first, what was filled since the last fit.")] = False,
    as_json: Json = False,
) -> None:
    """Say what own fills cost, by adapter and symbol, and so what the next orders are expected to cost.

    Each line is the newest fit: half the spread, the coefficient of impact, the fee, how many orders it rests on and
    how much they weigh against the prior. What was never filled is expected to cost the prior, which is told too.
    Exit code 0, also when there are no fits.

    Example:  ms orders costs --fit
    """
    import asyncio

    from marketsentry.bootstrap import open_system
    from marketsentry.cli.orders_output import print_costs
    from marketsentry.services.own_costs import costs_document, fit_own_costs

    async def run() -> dict[str, Any]:
        async with open_system() as system:
            made = 0
            if fit:
                made = len(await fit_own_costs(transactions=system.transactions, clock=system.clock))
            async with system.transactions() as stores:
                return {**costs_document(await stores.costs.all_newest()), "fitted_now": made}

    found = asyncio.run(run())
    if as_json:
        print_json(found)
    else:
        print_costs(found)


@app.command()
def why(
    order_id: Annotated[int, typer.Argument(metavar="ORDER", help="Id of the order; see `ms orders list`.")],
    as_json: Json = False,
) -> None:
    """Say why an order was made: fill, order, risk, signal, prediction, snapshot, model, data on one screen.

    Exit code 0; 3 when there is no such order.

    Example:  ms orders why 4201337
    """
    import asyncio

    from marketsentry.bootstrap import join_system
    from marketsentry.cli.orders_output import print_why
    from marketsentry.services.execution_why import why_order

    async def run() -> dict[str, Any]:
        async with join_system() as system:
            return await why_order(order_id, transactions=system.transactions)

    found = asyncio.run(run())
    if as_json:
        print_json(found)
    else:
        print_why(found)
