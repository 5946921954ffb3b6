"""A bound on the size of a request's body (K-09): 413 before more than that is read."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from marketsentry.api.refusal import CLOSE, refuse


class BodyLimit:
    """ASGI middleware: refuses a body of more than `max_bytes`, by its announced length or while it arrives."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            await self._refuse(send)
            return
        n_bytes, has_begun, is_refused = 0, False, False

        async def receive_bounded() -> Message:
            nonlocal n_bytes, is_refused
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes <= self._max_bytes:
                return message
            if not has_begun and not is_refused:
                is_refused = True
                await self._refuse(send)
            return {"type": "http.disconnect"}

        async def send_unless_refused(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            if not is_refused:
                await send(message)

        await self.app(scope, receive_bounded, send_unless_refused)

    async def _refuse(self, send: Send) -> None:
        await refuse(send, 413, f"request body must be at most {self._max_bytes} bytes", CLOSE)
