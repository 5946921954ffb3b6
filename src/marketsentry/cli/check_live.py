"""`ms check live`: reach a live venue, read with its key, and on request place one small order."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say

if TYPE_CHECKING:
    from marketsentry.services.live_check import LiveCheck
    from marketsentry.settings import Settings

_REQUIRED = {
    "coinbase": ("COINBASE_API_KEY", "COINBASE_API_SECRET"),
    "bitget": ("BITGET_API_KEY", "BITGET_API_SECRET", "BITGET_API_PASSPHRASE"),
}


def live(
    venue: Annotated[str, typer.Option(help="`coinbase` or `bitget`.")] = "coinbase",
    symbol: Annotated[str, typer.Option(help="Product to look at and to order.")] = "BTC",
    require_creds: Annotated[
        bool, typer.Option("--require-creds", help="Fail when there are no keys.")
    ] = False,
    small_order: Annotated[
        bool, typer.Option("--small-order", help="Place, see and cancel one smallest order, after asking.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send the small order without asking.")] = False,
    base_url: Annotated[
        str | None, typer.Option(help="Another address, such as a simulated exchange.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Check a live venue: reachable, clock, product, key without withdrawal, account; read-only unless asked.

    One JSON document goes to stdout in any case. Exit code 0 when it passed, or was skipped for want of keys; 2 when
    skipped but --require-creds was given; 3 when it failed.

    Example:  ms check live --venue coinbase --json
    """
    from marketsentry.exceptions import ConflictError, InputError
    from marketsentry.settings import load_settings

    settings = load_settings()
    if venue not in _REQUIRED:
        raise InputError(f"--venue must be one of {', '.join(_REQUIRED)}, was {venue!r}")
    has_keys = all(getattr(settings, name.lower()) is not None for name in _REQUIRED[venue])
    question = f"This places one small {symbol} order at {base_url or venue} and cancels it. Go on?"
    if small_order and has_keys and not yes and not typer.confirm(question, err=True):
        raise ConflictError("nothing was sent: the order was not agreed to")
    found = asyncio.run(
        _check(settings, venue, symbol=symbol, base_url=base_url, small_order=small_order, has_keys=has_keys)
    )
    print_json(found)
    if not as_json:
        _tell(found)
    if found.status == "skipped":
        raise typer.Exit(2 if require_creds else 0)
    raise typer.Exit(0 if found.status == "ok" else 3)


async def _check(
    settings: "Settings", venue: str, *, symbol: str, base_url: str | None, small_order: bool, has_keys: bool
) -> "LiveCheck":
    from marketsentry.bootstrap import live_venue
    from marketsentry.services.live_check import check_live, check_public

    opened = live_venue(settings, venue, base_url=base_url, is_public=not has_keys)
    try:
        if not has_keys:
            return await check_public(venue, opened, required_env=_REQUIRED[venue])
        return await check_live(
            venue,
            opened,
            symbol=symbol,
            max_skew_s=settings.venue_max_clock_skew_s,
            required_env=_REQUIRED[venue],
            small_order=small_order,
        )
    finally:
        await opened.close()


def _tell(found: "LiveCheck") -> None:
    for one in found.checks:
        say(f"{'ok  ' if one.passed else 'FAIL'}  {one.name}: {one.detail}")
    if found.status == "skipped":
        say(f"skipped: set {', '.join(found.required_env)} to read the account")
    else:
        say(found.status)
