"""Ask a server on this machine whether it is ready, and nothing on the way: no proxy, no redirect."""

import asyncio
import http.client
from enum import StrEnum

ASK_LIMIT_S = 3.0


class Readiness(StrEnum):
    """What came back from `/health/ready`."""

    READY = "ready"
    NOT_READY = "not_ready"
    SILENT = "not_running"


async def ask_ready(host: str, port: int, *, limit_s: float = ASK_LIMIT_S) -> Readiness:
    """Ask once; a server that does not speak our interface counts as none.

    Parameters
    ----------
    host
        Where it listens; an IPv6 address may stand in brackets.
    port
        Its port.
    limit_s
        Longest wait for the answer.

    Returns
    -------
    Readiness
        `ready` for 200, `not_ready` for 503, `not_running` for anything else and for silence.
    """
    return await asyncio.to_thread(_ask, host.strip("[]"), port, limit_s)


def _ask(host: str, port: int, limit_s: float) -> Readiness:
    connection = http.client.HTTPConnection(host, port, timeout=limit_s)
    try:
        connection.request("GET", "/health/ready")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return Readiness.SILENT
    finally:
        connection.close()
    return {200: Readiness.READY, 503: Readiness.NOT_READY}.get(status, Readiness.SILENT)
