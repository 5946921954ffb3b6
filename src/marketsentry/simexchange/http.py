"""A small HTTP/1.1 server on loopback whose connections can be made to fail at any point."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

MAX_HEAD_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received; repeated query parameters keep the last value."""

    method: str
    path: str
    query: dict[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `body` is sent as JSON unless it is text; `cut` sends half of it and closes the connection.

    `hold_s` waits before anything is sent; `drop` closes the connection instead of answering.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hold_s: float = 0.0
    drop: bool = False
    cut: bool = False


class HttpServer:
    """Serves `handle` on a free port of 127.0.0.1 while the context is open."""

    def __init__(self, handle: Callable[[Request], Response], *, now_s: Callable[[], float]) -> None:
        self._handle = handle
        self._now_s = now_s
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._stopping = asyncio.Event()
        self.url = ""

    async def __aenter__(self) -> "HttpServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is None:
            return
        self._server.close()
        self._stopping.set()
        for writer in self._connections.values():
            writer.close()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections[task] = writer
            task.add_done_callback(self._connections.pop)
        try:
            while (request := await _read_request(reader)) is not None:
                if not await self._answer(writer, self._handle(request)):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client went away or does not speak HTTP
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter, response: Response) -> bool:
        """Send a response; False when the connection is to be closed."""
        if response.hold_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), response.hold_s)
        if response.drop:
            return False
        is_text = isinstance(response.body, str)
        body = (response.body if is_text else json.dumps(response.body)).encode()
        headers = {
            "Content-Type": "text/html" if is_text else "application/json",
            "Content-Length": str(len(body)),
            "Date": formatdate(self._now_s(), usegmt=True),
            **response.headers,
        }
        head = f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(head.encode() + b"\r\n" + (body[: len(body) // 2] if response.cut else body))
        await writer.drain()
        return not response.cut


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query)))
