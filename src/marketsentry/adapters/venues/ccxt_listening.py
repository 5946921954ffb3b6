"""ccxt's streaming clients, with every message told before ccxt makes its own of it.

ccxt connects, signs, subscribes and pings. What a message says is read by the adapters: its caches keep the newest
thousand trades as floats, and nothing tells that some are missing.
"""

from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

OFFICIAL = frozenset({"api.coinbase.com", "api.bitget.com"})
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
_BITGET_STREAMS = ("public", "private", "utaPublic", "utaPrivate")

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


def wait_s(n_failures: int, draw: float) -> float:
    """Tell how long to wait before a connection is made again; `draw` 0..1 spreads those who wait."""
    return float(min(FIRST_WAIT_S * 2 ** (n_failures - 1), LONGEST_WAIT_S) * (0.5 + 0.5 * draw))


def subscribed(message: Any) -> bool:
    """Whether a message says that a subscription is in force: `subscriptions` at Coinbase, `subscribe` at Bitget."""
    if not isinstance(message, dict):
        return False
    return message.get("channel") == "subscriptions" or message.get("event") == "subscribe"


@cache
def _listening_class(name: str) -> Any:
    import ccxt.pro  # slow to import, and only those who stream need it

    class Listening(getattr(ccxt.pro, name)):  # type: ignore[misc]  # ccxt is not typed
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
