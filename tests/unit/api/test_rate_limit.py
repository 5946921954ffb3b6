"""How often a client may call (K-09)."""

from typing import Any

import pytest

from marketsentry.api.rate_limit import RateLimit


class Caller:
    """Calls an application that answers 200 through the limit, on a clock of its own."""

    def __init__(self, per_second: float, **bounds: int) -> None:
        self.now_s = 0.0
        self.limit = RateLimit(self._answer, per_second=per_second, now_s=lambda: self.now_s, **bounds)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def call(
        self, client: str = "a", path: str = "/api/v2/predictions"
    ) -> tuple[int, dict[bytes, bytes]]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "client": (client, 1)}
        await self.limit(scope, None, send)  # type: ignore[arg-type]  # nobody reads the body
        return sent[0]["status"], dict(sent[0]["headers"])


async def test_a_burst_passes_and_then_the_rate() -> None:
    """Contract 0.4: at least 60 calls in 5 seconds."""
    caller = Caller(20)
    assert [(await caller.call())[0] for _ in range(100)] == [200] * 100
    status, headers = await caller.call()
    assert (status, headers[b"retry-after"]) == (429, b"1")
    caller.now_s += 0.5
    assert [(await caller.call())[0] for _ in range(11)] == [200] * 10 + [429]
    caller.now_s += 1_000
    assert [(await caller.call())[0] for _ in range(101)] == [200] * 100 + [429]


async def test_a_slow_rate_keeps_the_burst_of_the_contract() -> None:
    caller = Caller(0.1)
    assert [(await caller.call())[0] for _ in range(61)] == [200] * 60 + [429]
    assert (await caller.call())[1][b"retry-after"] == b"10"


async def test_clients_do_not_spend_each_others_calls() -> None:
    caller = Caller(20)
    for _ in range(101):
        await caller.call("a")
    assert (await caller.call("a"))[0] == 429
    assert (await caller.call("b"))[0] == 200


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/metrics", "/api/status"])
async def test_probes_are_not_counted(path: str) -> None:
    caller = Caller(20)
    assert {(await caller.call(path=path))[0] for _ in range(300)} == {200}


async def test_the_memory_of_clients_is_bounded() -> None:
    caller = Caller(20, max_clients=3)
    for n in range(10):
        await caller.call(str(n))
    assert len(caller.limit._buckets) == 3
