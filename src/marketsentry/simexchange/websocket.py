"""The server's half of RFC 6455: text messages over an upgraded connection, without extensions."""

import asyncio
import base64
import contextlib
import hashlib
import struct

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
MAX_MESSAGE_BYTES = 1_048_576


def accept_key(key: str) -> str:
    """Answer to the `Sec-WebSocket-Key` of a client."""
    return base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest()).decode()


class WebSocket:
    """One open connection. Pings of the client are answered while `receive` waits."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._is_closing = False

    async def receive(self) -> str | None:
        """Wait for the next message; None when the client has closed or gone."""
        message = b""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                is_last, kind, payload = await self._read_frame()
                match kind:
                    case 8:
                        await self.close()
                        return None
                    case 9:
                        await self._write(_PONG, payload)
                    case 10:
                        pass
                    case _:
                        message += payload
                        if len(message) > MAX_MESSAGE_BYTES:
                            raise ConnectionAbortedError(f"message of more than {MAX_MESSAGE_BYTES} bytes")
                        if is_last:
                            return message.decode()
        return None

    async def send(self, text: str) -> None:
        """Send one text message; raises ConnectionError when the client is gone."""
        await self._write(_TEXT, text.encode())

    async def ping(self) -> None:
        """Ask the client whether it is there."""
        await self._write(_PING, b"")

    async def close(self, code: int = 1000) -> None:
        """Say goodbye, once."""
        if self._is_closing:
            return
        self._is_closing = True
        with contextlib.suppress(ConnectionError):
            await self._write(_CLOSE, struct.pack("!H", code))

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._is_closing = True
        self._writer.transport.abort()

    async def _write(self, kind: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | kind, length)
        elif length < 65_536:
            head = struct.pack("!BBH", 0x80 | kind, 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 127, length)
        self._writer.write(head + payload)
        await self._writer.drain()

    async def _read_frame(self) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
        if not second & 0x80 or length > MAX_MESSAGE_BYTES:
            raise ConnectionAbortedError("a frame is unmasked or too long")
        mask = await self._reader.readexactly(4)
        payload = await self._reader.readexactly(length)
        return bool(first & 0x80), first & 0x0F, _unmask(payload, mask)


def _unmask(payload: bytes, mask: bytes) -> bytes:
    whole = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(payload), "big")
