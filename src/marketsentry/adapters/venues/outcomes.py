"""What an answer of a venue, or none, says about what was done.

A request has been *refused* when not a byte of it went out, or when the venue answered that it will not do it. In every
other case but a readable success the outcome is *unknown*: the venue may have done it before the connection broke,
before the proxy in front of it gave up, before its answer was cut.

| seen | means |
|---|---|
| no connection: refused, unknown host, no TLS | refused, `venue_error:not_connected` |
| the request could not be signed | refused, `venue_error:not_signed` |
| no answer: time-out, reset, closed, body cut | unknown |
| 418, 429 | refused, `venue_http_{code}`, with the wait that the venue asks for |
| 1xx, 3xx, 408, 499, 5xx | unknown |
| 401, 403, 404, 451 | refused, `venue_http_{code}` |
| any other 4xx | refused, `venue_rejected:{code}` with the venue's own code, else `venue_http_{code}` |
| 2xx that cannot be read | unknown |
| 2xx with an error code of the venue | refused, `venue_rejected:{code}` |
| an error code that says "busy", "timed out", "unknown" | unknown |
"""

import json
import math
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from marketsentry.ports.venue import OutcomeUnknownError, VenueRefusedError

_TOO_MANY = (418, 429)
_DOOR = (401, 403, 404, 451)  # the account, the place or the address is refused, whatever was asked
_GAVE_UP = (408, 499)  # the venue, or something before it, stopped waiting: what it waited for may go on


class Dialect(Protocol):
    """How a venue says no in a body that can be read."""

    def error_code(self, body: Any) -> str | None:  # Any: JSON as it came
        """Find the venue's error code; None when the body tells of success."""
        ...

    def is_uncertain(self, code: str) -> bool:
        """Whether the code leaves open what was done."""
        ...


@dataclass(slots=True)
class Exchange:
    """One request and what came of it. `has_begun` turns True when it is handed to the network."""

    has_begun: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def retry_after_s(self) -> float | None:
        """Wait that the venue asks for, in seconds; a date, or what is no time, is as good as none."""
        try:
            told = float(self.headers["retry-after"])
        except (KeyError, ValueError):
            return None
        return max(told, 0.0) if math.isfinite(told) else None


def judge(venue: str, exchange: Exchange, error: BaseException | None, dialect: Dialect) -> Any:
    """Read the body of a success, or say what became of the request.

    Parameters
    ----------
    venue
        Name for the messages.
    exchange
        What was seen on the wire.
    error
        What the client raised, if it did; read only where no answer was seen.
    dialect
        How the venue says no.

    Returns
    -------
    Any
        The JSON body; its fractions are `Decimal`.

    Raises
    ------
    VenueRefusedError
        If it was certainly not done.
    OutcomeUnknownError
        If it may have been done.
    """
    if exchange.status is None:
        raise _without_answer(venue, exchange, error)
    status, told = exchange.status, f"{venue} answered {exchange.status}: {_short(exchange.text)}"
    if status in _TOO_MANY:
        raise VenueRefusedError(f"venue_http_{status}", told, retry_after_s=exchange.retry_after_s)
    if status in _GAVE_UP or not (200 <= status < 300 or 400 <= status < 500):
        raise OutcomeUnknownError(told)
    body = _read(exchange.text)
    if body is None:
        if status >= 400:
            raise VenueRefusedError(f"venue_http_{status}", told)
        raise OutcomeUnknownError(f"{told} (no JSON)")
    code = dialect.error_code(body)
    if code is not None and dialect.is_uncertain(code):
        raise OutcomeUnknownError(told)
    if status in _DOOR or (status >= 400 and code is None):
        raise VenueRefusedError(f"venue_http_{status}", told)
    if code is not None:
        raise VenueRefusedError(f"venue_rejected:{code}", told)
    return body


def _without_answer(
    venue: str, exchange: Exchange, error: BaseException | None
) -> VenueRefusedError | OutcomeUnknownError:
    kind = type(error).__name__
    if not exchange.has_begun:  # the text of such an error may hold a part of a key
        return VenueRefusedError("venue_error:not_signed", f"{venue}: nothing was sent ({kind})")
    if _never_connected(error):
        return VenueRefusedError("venue_error:not_connected", f"{venue} cannot be reached; nothing was sent")
    return OutcomeUnknownError(f"{venue} gave no answer ({kind})")


def _never_connected(error: BaseException | None) -> bool:
    import aiohttp

    before_any_byte = (
        aiohttp.ClientConnectorError,
        aiohttp.ClientConnectorCertificateError,
        aiohttp.ConnectionTimeoutError,
        aiohttp.InvalidURL,
        socket.gaierror,
        ssl.SSLCertVerificationError,
    )
    while error is not None:
        if isinstance(error, before_any_byte):
            return True
        error = error.__cause__
    return False


def _read(text: str) -> Any:  # Any: JSON as it came
    try:
        body = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except ValueError:
        return None
    return body if isinstance(body, dict | list) else None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
