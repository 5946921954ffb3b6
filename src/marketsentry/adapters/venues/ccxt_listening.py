"""ccxt's streaming clients, with every message told before ccxt makes its own of it.

ccxt connects, signs, subscribes and pings. What a message says is read by the adapters: its caches keep the newest
thousand trades as floats, and nothing tells that some are missing.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import localcontext
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import structlog

from marketsentry.adapters.venues.ccxt_import import import_ccxt
from marketsentry.ports.ending import end

OFFICIAL = frozenset({"api.coinbase.com", "api.bitget.com"})
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
_BITGET_STREAMS = ("public", "private", "utaPublic", "utaPrivate")

log = structlog.get_logger(__name__)

OnMessage = Callable[[int, Any], None]
"""Takes the number of the connection and the message, JSON as it came."""


def listening_client(
    name: str, *, base_url: str, timeout_s: float, on_message: OnMessage, credentials: dict[str, str]
) -> Any:  # Any: ccxt is not typed
    """Make a client; importing ccxt takes seconds, so it is called away from the event loop.

    Parameters
    ----------
    name
        ccxt's name of the venue.
    base_url
        Where the venue is.
    timeout_s
        Limit of one request.
    on_message
        Told every message; each connection has a number of its own.
    credentials
        Of private channels; empty for public ones.

    Returns
    -------
    Any
        The client of `ccxt.pro`; nothing is sent yet.
    """
    client = _listening_class(name)(
        {
            **credentials,
            "enableRateLimit": False,
            "newUpdates": True,
            "timeout": round(timeout_s * 1_000),
        }
    )
    client.has["fetchCurrencies"] = False
    client.on_heard = on_message
    _point_to(client, base_url)
    return client


@dataclass(frozen=True, slots=True)
class Patience:
    """How a broken connection is made again: after longer and longer waits, which `rng` spreads."""

    rng: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def wait(self, n_failures: int) -> None:
        """Wait before the next try."""
        longest = min(FIRST_WAIT_S * 2 ** (n_failures - 1), LONGEST_WAIT_S)
        await self.sleep(longest * self.rng.uniform(0.5, 1.0))


async def keep_listening(
    client: Any,
    watch: Callable[[], Awaitable[object]],
    *,
    on_broken: Callable[[str], None],
    patience: Patience,
) -> None:
    """Wait for one message after the other until cancelled, on a connection that is made again when it breaks.

    Parameters
    ----------
    client
        Of `listening_client`; it is closed at the end.
    watch
        Waits for the next message and subscribes where that is not done; whatever it raises breaks the connection.
    on_broken
        Told by what.
    patience
        How soon the next try is made.
    """
    with localcontext():  # ccxt changes how decimals are rounded where it is called
        await _keep_listening(client, watch, on_broken, patience)


async def _keep_listening(
    client: Any,
    watch: Callable[[], Awaitable[object]],
    on_broken: Callable[[str], None],
    patience: Patience,
) -> None:
    failures, beating = 0, None
    try:
        while True:
            try:
                if client.id == "coinbase" and (beating is None or beating.done()):
                    beating = asyncio.ensure_future(_beat(client))
                await watch()
                failures = 0
            except Exception as error:  # noqa: BLE001 - ccxt raises what it likes; a stream is only made again
                failures += 1
                kind = type(error).__name__
                log.warning("stream_broken", venue=client.id, error=kind, failures=failures)
                on_broken(f"the stream of {client.id} broke: {kind}")
                await client.close()  # the next try makes a connection of its own
                await patience.wait(failures)
    finally:
        if beating is not None:
            await end([beating])
        await client.close()


async def _beat(client: Any) -> None:
    """Ask for a heartbeat each second: without one Coinbase closes a line on which nothing is said."""
    try:
        await client.subscribe("heartbeats", False)
    except Exception as error:  # noqa: BLE001 - what is listened to shares its connection, and tells the failure
        log.debug("heartbeats_ended", error=type(error).__name__)


@cache
def _listening_class(name: str) -> Any:
    class Listening(getattr(import_ccxt("ccxt.pro"), name)):  # type: ignore[misc]  # ccxt is not typed
        on_heard: OnMessage

        def handle_message(self, client: Any, message: Any) -> Any:
            self.on_heard(id(client), message)
            return super().handle_message(client, message)

    return Listening


def _point_to(client: Any, base_url: str) -> None:
    """Send requests and streams to another address, for a server that speaks the venue's protocol."""
    parts = urlsplit(base_url)
    if parts.hostname in OFFICIAL:
        return
    base = f"{parts.scheme}://{parts.netloc}"
    stream = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    api = client.urls["api"]
    for name, address in api.items():
        if name == "ws" and isinstance(address, dict):
            paths = {
                one: "private" if one.lower().endswith("private") else "public" for one in _BITGET_STREAMS
            }
            api[name] = {one: f"{stream}/v2/ws/{path}" for one, path in paths.items()}
        else:
            api[name] = stream if name == "ws" else base
