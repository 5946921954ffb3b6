"""Listening through ccxt leaves the rest of the program as it was."""

import asyncio
from decimal import ROUND_HALF_EVEN, Decimal, Underflow, getcontext

from ccxt.base.decimal_to_precision import DECIMAL_PLACES, NO_PADDING, ROUND, decimal_to_precision

from marketsentry.adapters.venues.ccxt_listening import Patience, keep_listening


class _Client:
    id = "bitget"

    async def close(self) -> None:
        return None


async def test_what_ccxt_does_to_decimals_stays_with_it() -> None:
    told: list[str] = []
    heard = asyncio.Event()

    async def watch() -> None:
        told.append(decimal_to_precision("0.125", ROUND, 2, DECIMAL_PLACES, NO_PADDING))
        heard.set()
        await asyncio.Event().wait()

    listening = asyncio.create_task(
        keep_listening(_Client(), watch, on_broken=told.append, patience=Patience())
    )
    await heard.wait()
    assert told == ["0.13"]
    context = getcontext()
    assert (context.rounding, context.traps[Underflow]) == (ROUND_HALF_EVEN, False)
    assert round(Decimal("0.125"), 2) == Decimal("0.12")
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
