"""A server that stops answers what it gives up; here a real one, on a request that never ends."""

import asyncio
import socket
from contextlib import suppress

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from marketsentry.api.going_down import DETAIL, GoingDown
from marketsentry.api.request_id import RequestId


async def given_up(path: str) -> httpx.Response | None:
    """Ask a server that stops as soon as the request has come; None where the answer breaks off."""
    app, has_come = FastAPI(), asyncio.Event()

    @app.get("/waits")
    async def waits() -> None:
        has_come.set()
        await asyncio.Event().wait()

    @app.get("/tells")
    async def tells() -> StreamingResponse:
        async def parts():
            yield b"the beginning"
            has_come.set()
            await asyncio.Event().wait()

        return StreamingResponse(parts())

    app.add_middleware(GoingDown)
    app.add_middleware(RequestId)
    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            asking = asyncio.create_task(client.get(path))
            await has_come.wait()
            server.should_exit = True
            await serving
            with suppress(httpx.RemoteProtocolError):
                return await asking
    return None


async def test_a_request_that_is_given_up_may_be_asked_again() -> None:
    answer = await given_up("/waits")
    assert answer is not None
    assert answer.status_code == 503
    assert answer.json() == {"detail": DETAIL}
    assert answer.headers["X-Request-ID"]


async def test_an_answer_that_has_begun_breaks_off() -> None:
    assert await given_up("/tells") is None
