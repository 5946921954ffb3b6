"""Carries messages between WebSockets and sessions, with what goes wrong on the way."""

import asyncio
import contextlib
from collections.abc import Callable

from marketsentry.simexchange.faults import STREAM_FAULTS, FaultPlan, VenueFault
from marketsentry.simexchange.floor import StreamSession
from marketsentry.simexchange.venue import Event
from marketsentry.simexchange.websocket import WebSocket


class Stream:
    """One open WebSocket with its session. Messages leave in the order sent, but for faults."""

    def __init__(self, websocket: WebSocket, faults: FaultPlan) -> None:
        self._websocket = websocket
        self._faults = faults
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self._late: str | None = None

    def send(self, channel: str, text: str) -> None:
        """Queue a message of a channel, or do with it what a fault says."""
        rule = self._faults.draw(STREAM_FAULTS, f"ws {channel}")
        late, self._late = self._late, None
        match rule.fault if rule else None:
            case VenueFault.STREAM_DROP:
                pass
            case VenueFault.STREAM_DUPLICATE:
                self._waiting.put_nowait(text)
                self._waiting.put_nowait(text)
            case VenueFault.STREAM_REORDER:
                self._late = text
            case VenueFault.DISCONNECT:
                self.cut()
            case _:
                self._waiting.put_nowait(text)
        if late is not None:
            self._waiting.put_nowait(late)

    def cut(self) -> None:
        """Break the connection off as soon as what is queued has left."""
        self._waiting.put_nowait(None)

    async def serve(self, session: StreamSession) -> None:
        """Run until the client leaves or the connection is cut."""
        writing = asyncio.create_task(self._write())
        try:
            while (text := await self._websocket.receive()) is not None:
                session.on_text(text)
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writing

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (text := await self._waiting.get()) is not None:
                await self._websocket.send(text)
        self._websocket.abort()


class Streams:
    """All open streams of a venue."""

    def __init__(self, faults: FaultPlan) -> None:
        self._faults = faults
        self._open: dict[Stream, StreamSession] = {}

    def __len__(self) -> int:
        return len(self._open)

    def subscriptions(self) -> list[str]:
        """What all clients get at present, as `channel product`."""
        return sorted(one for session in self._open.values() for one in session.subscriptions())

    async def serve(
        self, websocket: WebSocket, open_session: Callable[[Callable[[str, str], None]], StreamSession]
    ) -> None:
        """Serve one WebSocket until it ends."""
        stream = Stream(websocket, self._faults)
        session = open_session(stream.send)
        self._open[stream] = session
        try:
            await stream.serve(session)
        finally:
            del self._open[stream]

    def on_event(self, event: Event) -> None:
        """Tell all sessions what happened at the venue."""
        for session in tuple(self._open.values()):
            session.on_event(event)

    def on_second(self) -> None:
        """Tell all sessions that about a second has passed."""
        for session in tuple(self._open.values()):
            session.on_second()

    def cut_all(self) -> int:
        """Break all connections off; return how many."""
        for stream in self._open:
            stream.cut()
        return len(self._open)
