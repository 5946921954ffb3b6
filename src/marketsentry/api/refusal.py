"""An answer in place of the application's: a status and a detail, as every error has them."""

import orjson
from starlette.types import Send

CLOSE = (b"connection", b"close")


async def refuse(send: Send, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    """Answer a request that goes no further.

    Parameters
    ----------
    send
        Of the request; nothing was sent yet.
    status
        Of HTTP.
    detail
        What is told, under the key of every error.
    *headers
        Beside those of a JSON body.
    """
    body = orjson.dumps({"detail": detail})
    about = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": body})
