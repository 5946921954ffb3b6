"""`ms orders`: what was ordered, what became of it, and why."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from marketsentry.services.execution import OrderPage

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

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

    from marketsentry.bootstrap import open_system
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

    async def run() -> "OrderPage":
        async with open_system() as system:
            return await list_orders(wanted, before_id=before, limit=limit, transactions=system.transactions)

    page = asyncio.run(run())
    rows = [order_row(one) for one in page.items]
    if as_json:
        print_json({"orders": rows, "next_before": page.next_before_id})
    else:
        print_orders(rows, page.next_before_id)


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

    from marketsentry.bootstrap import open_system
    from marketsentry.cli.orders_output import print_why
    from marketsentry.services.execution_why import why_order

    async def run() -> dict[str, Any]:
        async with open_system() as system:
            return await why_order(order_id, transactions=system.transactions)

    found = asyncio.run(run())
    if as_json:
        print_json(found)
    else:
        print_why(found)
