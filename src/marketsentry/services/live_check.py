"""Is a live venue there, is the key sound, and can an order be placed, seen and cancelled? (contract 5.8)

Without a key only the public door is tried, and the check counts as skipped. With one, everything that only reads is
tried. The small order is sent only when it is asked for: it rests 3 % from the market until it is cancelled.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Protocol

from marketsentry.core.conformance import BrokenPromiseError, ConformanceCheck, require
from marketsentry.exceptions import DependencyError
from marketsentry.ports.venue import Venue, VenueRefusedError
from marketsentry.services.venue_promises import rest_and_cancel
from marketsentry.services.venue_trial import VenueTrial, prepare, require_exact


class LiveVenue(Venue, Protocol):
    """A venue over HTTP with a key of its own."""

    @property
    def last_http_status(self) -> int | None:
        """Status of the last answer; None when the last request had none."""
        ...

    async def check_key(self) -> None:
        """Refuse a key that may withdraw, or may not trade."""
        ...

    async def clock_skew_s(self) -> float:
        """Measure how far the venue's clock is ahead of ours."""
        ...


@dataclass(frozen=True, slots=True)
class LiveCheck:
    """What was found. `status` is `ok`, `failed` or `skipped`."""

    venue: str
    status: str
    public_api_ok: bool
    public_http_status: int | None
    credentials_present: bool
    required_env: tuple[str, ...]
    reason: str | None = None
    note: str = ""
    checks: tuple[ConformanceCheck, ...] = ()


async def check_public(name: str, venue: LiveVenue, *, required_env: tuple[str, ...]) -> LiveCheck:
    """Try the public door alone.

    Parameters
    ----------
    name
        Of the venue.
    venue
        It needs no key.
    required_env
        Variables that a full check needs.

    Returns
    -------
    LiveCheck
        `skipped`, whether the venue answers or not.
    """
    is_there = await _attempt("the venue answers", _clock(venue, max_skew_s=float("inf")))
    return LiveCheck(
        venue=name,
        status="skipped",
        public_api_ok=is_there.passed,
        public_http_status=venue.last_http_status,
        credentials_present=False,
        required_env=required_env,
        reason="missing_credentials",
        note=is_there.detail,
        checks=(is_there,),
    )


async def check_live(
    name: str,
    venue: LiveVenue,
    *,
    symbol: str,
    max_skew_s: float,
    required_env: tuple[str, ...],
    small_order: bool,
) -> LiveCheck:
    """Try what only reads and, where it is asked for, one small order.

    Parameters
    ----------
    name
        Of the venue.
    venue
        With its key.
    symbol
        Product to look at and to order.
    max_skew_s
        Limit between the two clocks.
    required_env
        Variables that the check needed.
    small_order
        Whether the order may be sent.

    Returns
    -------
    LiveCheck
        `ok` when all passed, else `failed` with the first failure as its note.
    """
    public = await _attempt("the venue answers, and its clock is ours", _clock(venue, max_skew_s=max_skew_s))
    found = LiveCheck(name, "ok", public.passed, venue.last_http_status, True, required_env)
    checks = [
        public,
        await _attempt(f"{symbol} can be traded", _product(venue, symbol)),
        await _attempt("the key cannot withdraw", _key(venue)),
        await _attempt("the account can be read", _account(venue)),
    ]
    if small_order and all(one.passed for one in checks):
        checks.append(await _attempt("an order is placed, seen and cancelled", _order(venue, symbol)))
    failed = next((one for one in checks if not one.passed), None)
    note = checks[-1].detail if failed is None else f"{failed.name}: {failed.detail}"
    return replace(found, status="ok" if failed is None else "failed", note=note, checks=tuple(checks))


async def _clock(venue: LiveVenue, *, max_skew_s: float) -> str:
    skew_s = await venue.clock_skew_s()
    require(
        abs(skew_s) <= max_skew_s, f"its clock must be within {max_skew_s:g} s of ours, was {skew_s:+.1f} s"
    )
    return f"its clock is {skew_s:+.1f} s from ours"


async def _product(venue: LiveVenue, symbol: str) -> str:
    kit = await prepare(VenueTrial(venue, symbol))
    require(kit.product.is_tradeable, f"{kit.product.venue_symbol} is not traded now")
    return f"{kit.product.venue_symbol} at {kit.bid} / {kit.ask}"


async def _key(venue: LiveVenue) -> str:
    try:
        await venue.check_key()
    except VenueRefusedError as refused:
        if refused.code != "venue_error:key_cannot_trade":
            raise
        return "it only reads"
    return "it trades"


async def _account(venue: LiveVenue) -> str:
    balances, positions, orders = await venue.balances(), await venue.positions(), await venue.open_orders()
    require_exact([*balances, *positions, *orders], "the account")
    held = sum(one.total > 0 for one in balances)
    return f"{held} assets, {len(positions)} positions, {len(orders)} open orders"


async def _order(venue: LiveVenue, symbol: str) -> str:
    return await rest_and_cancel(await prepare(VenueTrial(venue, symbol)))


async def _attempt(name: str, check: Awaitable[str]) -> ConformanceCheck:
    try:
        return ConformanceCheck(name, True, await check)
    except (BrokenPromiseError, DependencyError) as error:
        return ConformanceCheck(name, False, str(error))
