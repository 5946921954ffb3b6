"""The answer to a request that a stopping server gives up: 503, for a retry will help, and never a bug's 500."""

from asyncio import CancelledError

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from marketsentry.api.refusal import CLOSE, refuse

DETAIL = "the server is going down; what was asked may have been done, ask again"


class GoingDown:
    """ASGI middleware: answers where the server ends a request that took longer than it waits when it stops."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def send_noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except CancelledError:
            if scope["type"] != "http" or has_begun:
                raise
            await refuse(send, 503, DETAIL, CLOSE)
