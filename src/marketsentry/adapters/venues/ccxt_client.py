"""One ccxt client, used for what it is good at: endpoints, signing and transport.

Requests are built and answers are read by the adapters themselves. ccxt's unified calls are not used: they make
floats of quantities and prices, load markets in the middle of an order (so that a failure says nothing of the
order), send a reduce-only order on Coinbase as a market order without a bound, and drop the unified
`clientOrderId` there without a word.
"""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from decimal import localcontext
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from marketsentry.adapters.venues.ccxt_import import import_ccxt
from marketsentry.adapters.venues.outcomes import Dialect, Exchange, judge
from marketsentry.adapters.venues.rate_budget import RateBudget
from marketsentry.exceptions import InputError
from marketsentry.ports.urgency import Urgency, urgency_here
from marketsentry.ports.venue import VenueRefusedError

_HOLD_S = 1.0  # after a 429 that does not say how long
_LONGEST_HOLD_S = 300.0  # whatever it says: then it is asked again
_exchange: ContextVar[Exchange] = ContextVar(
    "exchange"
)  # of the running task: many requests may be under way


class CcxtClient:
    """Sends requests by the name of their endpoint, and judges what comes back; `last_status` is of the last answer.

    Parameters
    ----------
    name
        ccxt's name of the venue.
    credentials
        `apiKey`, `secret` and, where the venue has one, `password`; empty for public endpoints alone.
    base_url
        Scheme and host; the paths are ccxt's.
    timeout_s
        Limit of one request, and of the wait before it.
    budget
        How many requests may be sent.
    dialect
        How the venue says no.
    """

    def __init__(
        self,
        name: str,
        *,
        credentials: Mapping[str, str],
        base_url: str,
        timeout_s: float,
        budget: RateBudget,
        dialect: Dialect,
    ) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._budget = budget
        self._dialect = dialect
        self.last_status: int | None = None
        self._base = origin_of(base_url)
        self._config = {**credentials, "enableRateLimit": False, "timeout": round(timeout_s * 1_000)}
        self._ccxt: Any = None  # ccxt is not typed

    async def call(
        self,
        endpoint: str,
        params: Mapping[str, object] | None = None,
        *,
        urgency: Urgency | None = None,
    ) -> Any:  # Any: JSON as it came
        """Send one request.

        Parameters
        ----------
        endpoint
            ccxt's name of it, such as `v3PrivatePostBrokerageOrders`.
        params
            Query or body; strings as the venue shall see them.
        urgency
            Cancels go first; None is that of the task which asks.

        Returns
        -------
        Any
            The JSON body of a success.

        Raises
        ------
        VenueRefusedError
            If it was certainly not done.
        OutcomeUnknownError
            If it may have been done.
        """
        await self.prepare()
        await self._budget.take(urgency or urgency_here(), within_s=self._timeout_s)
        exchange = Exchange()
        token = _exchange.set(exchange)
        error: Exception | None = None
        try:
            with localcontext():  # ccxt changes how decimals are rounded where it is called
                await getattr(self._ccxt, endpoint)(dict(params or {}))
        except Exception as raised:  # noqa: BLE001 - ccxt raises what it likes; `judge` goes by what was on the wire
            error = raised
        finally:
            _exchange.reset(token)
            self.last_status = exchange.status
        try:
            return judge(self._name, exchange, error, self._dialect)
        except VenueRefusedError as refused:
            if refused.code in ("venue_http_429", "venue_http_418"):
                self._budget.hold(min(refused.retry_after_s or _HOLD_S, _LONGEST_HOLD_S))
            raise refused from (error if exchange.has_begun else None)  # a key may stand in the other

    async def prepare(self) -> None:
        """Import and make ccxt's client, which takes seconds, away from the event loop; the first call does it too."""
        if self._ccxt is None:
            kind = await asyncio.to_thread(recording_class, self._name)
            if self._ccxt is None:  # another task may have been quicker
                self._ccxt = kind(self._config)
                self._ccxt.urls["api"] = dict.fromkeys(self._ccxt.urls["api"], self._base)

    async def close(self) -> None:
        """Close the connections."""
        if self._ccxt is not None:
            await self._ccxt.close()


@cache
def recording_class(name: str) -> Any:  # Any: ccxt is not typed
    """Make ccxt's class of a venue note what goes over the wire."""

    class Recording(getattr(import_ccxt("ccxt.async_support"), name)):  # type: ignore[misc]  # ccxt is not typed
        async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            _exchange.get().has_begun = True
            return await super().fetch(url, method, headers, body)

        def on_rest_response(
            self, code: int, reason: str, url: str, method: str, headers: Any, text: str, *_: Any
        ) -> str:
            exchange = _exchange.get()
            exchange.status, exchange.text = code, text
            exchange.headers = {key.lower(): value for key, value in headers.items()}
            return text.strip()

    return Recording


def origin_of(base_url: str) -> str:
    """Keep scheme and host of an address such as `https://api.coinbase.com/api/v3`; the paths are ccxt's.

    Parameters
    ----------
    base_url
        The address.

    Returns
    -------
    str
        Such as `https://api.coinbase.com`.

    Raises
    ------
    InputError
        If it is no such address.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(f"base URL of a venue must look like https://host, was {base_url!r}")
    return f"{parts.scheme}://{parts.netloc}"
