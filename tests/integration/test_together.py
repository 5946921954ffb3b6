"""Reads of one transaction that are begun together go to the server as one message."""

from typing import Any

import psycopg
import pytest

from marketsentry.core.market.interval import parse_interval
from marketsentry.ports.together import together

HOUR = parse_interval("1h")


async def test_what_is_begun_together_is_sent_together(transactions, monkeypatch: pytest.MonkeyPatch) -> None:
    awaited: list[int] = []
    fetch = psycopg.AsyncPipeline._fetch_gen

    def noted(self: Any, *, flush: bool) -> Any:
        awaited.append(len(self.result_queue))
        return fetch(self, flush=flush)

    monkeypatch.setattr(psycopg.AsyncPipeline, "_fetch_gen", noted)
    async with transactions() as stores:
        found = await together(*(stores.bars.series(symbol, HOUR) for symbol in ("A", "B", "C")))
        assert found == (None, None, None)
        assert [n for n in awaited if n] == [4]  # BEGIN is with them
