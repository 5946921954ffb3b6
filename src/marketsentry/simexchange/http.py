"""A small HTTP/1.1 server on loopback whose connections can be made to fail at any point."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from marketsentry.simexchange.websocket import WebSocket, accept_key

MAX_HEAD_BYTES = 65_536
MAX_BODY_BYTES = 1_048_576
_LEAVING_S = 1.0  # what is left to send has so long when the server closes


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received; in `query` repeated parameters keep the last value, in `pairs` all are there.

    `target` is the path with its query as sent, `signed_target` the same with the escapes of the query undone.
    Names of headers are in lower case.
    """

    method: str
    path: str
    query: dict[str, str]
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Query parameters in the order sent."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def signed_target(self) -> str:
        """Path and decoded query, as Bitget signs them."""
        path, mark, query = self.target.partition("?")
        return path + mark + unquote_to_bytes(query).decode()

    def values(self, *names: str) -> list[str]:
        """All values of a parameter, under any of its names; commas part values too."""
        return [part for name, text in self.pairs if name in names for part in text.split(",") if part]

    def json(self) -> dict[str, Any]:
        """Body as a JSON object; raises ValueError where it is none."""
        value = json.loads(self.body)
        if not isinstance(value, dict):
            raise ValueError("body is no JSON object")
        return value


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
    """Serves `handle` on a port of 127.0.0.1, a free one unless told, while the context is open.

    A WebSocket that a client opens is given to `on_websocket`, and closed when that returns.
    """

    def __init__(
        self,
        handle: Callable[[Request], Response],
        *,
        now_s: Callable[[], float],
        on_websocket: Callable[[Request, WebSocket], Awaitable[None]] | None = None,
        port: int = 0,
    ) -> None:
        self._handle = handle
        self._now_s = now_s
        self._on_websocket = on_websocket
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._stopping = asyncio.Event()
        self.url = ""

    async def __aenter__(self) -> "HttpServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=MAX_HEAD_BYTES)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is None:
            return
        self._server.close()
        self._stopping.set()
        for writer in self._connections.values():
            writer.close()
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=_LEAVING_S)
        for writer in self._connections.values():  # its client does not read what is left to send
            writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections[task] = writer
            task.add_done_callback(self._connections.pop)
        try:
            while (request := await _read_request(reader)) is not None:
                if (
                    self._on_websocket is not None
                    and request.headers.get("upgrade", "").lower() == "websocket"
                ):
                    await self._upgrade(self._on_websocket, request, reader, writer)
                    break
                if not await self._answer(writer, self._handle(request)):
                    break
        except (ConnectionError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client went away or does not speak HTTP
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _upgrade(
        self,
        serve: Callable[[Request, WebSocket], Awaitable[None]],
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(request.headers.get('sec-websocket-key', ''))}\r\n\r\n"
        )
        writer.write(head.encode())
        await writer.drain()
        websocket = WebSocket(reader, writer)
        await serve(request, websocket)
        await websocket.close()

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
    line, *rows = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
    length = int(headers.get("content-length", "0"))
    if length > MAX_BODY_BYTES:
        raise ValueError(f"body of {length} bytes, at most {MAX_BODY_BYTES}")
    body = (await reader.readexactly(length)).decode() if length else ""
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), target, headers, body)
