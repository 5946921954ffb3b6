"""The simulated exchange ends whatever its clients do, or leave undone."""

import asyncio
import time

from marketsentry.simexchange.http import HttpServer, Response

MORE_THAN_BUFFERS_HOLD = "x" * 64_000_000


async def test_a_client_that_does_not_read_holds_no_server_up():
    async with HttpServer(lambda _: Response(body=MORE_THAN_BUFFERS_HOLD), now_s=time.time) as server:
        host, port = server.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        await asyncio.sleep(0.3)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    writer.close()
