"""Predict and explain: one service for the API, the command line and the worker (contract 1.3 and 4.6, K-61).

The configured version answers on features of the newest closed bar, computed by the step that training used. What
it cannot serve is answered by the cold-start rule, labelled and never tradeable; inputs that are missing or stale
make it abstain. Lineage, snapshot, prediction and explanation of all symbols are stored by one statement, in the
transaction that read them or in that of what rests on them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.serving.answer import Why
from marketsentry.core.serving.cold_start import Price
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.ports import Artifacts, Clock, Stores, Transactions
from marketsentry.ports.models import RegisteredModel
from marketsentry.ports.predictions import ServedSnapshot, StoredPrediction
from marketsentry.services.predict_told import Asked, ServingRules, Told, store_told, tell
from marketsentry.services.serving import ServedModel, ServingCache, find_model, load_served, refusal

if TYPE_CHECKING:
    from datetime import datetime

    from marketsentry.services.serving_rows import Beside, OpenedRows

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class LiquidRequest:
    """A traded symbol in upper case, and the horizon `1h`, `1d` or `7d`."""

    symbol: str
    horizon: str = "1d"


@dataclass(frozen=True, slots=True)
class ServingParts:
    """The ports and the memory that predictions need."""

    transactions: Transactions
    artifacts: Artifacts
    clock: Clock
    cache: ServingCache
    rules: ServingRules


@dataclass(frozen=True, slots=True)
class Served:
    """A stored prediction; `price` is the one used, None for a company. `snapshot` holds what the model read."""

    stored: StoredPrediction
    price: Price | None
    snapshot: ServedSnapshot | None = None


@dataclass(frozen=True, slots=True)
class OpenedUniverse(Generic[B]):
    """A transaction in which everything was read that answers need; nothing was written in it yet.

    `asked` are the symbols that have a price.
    """

    rows: "OpenedRows[B]"
    asked: Sequence[Asked]
    served: ServedModel | Why | None

    @property
    def stores(self) -> Stores:
        """The transaction."""
        return self.rows.stores

    async def tell(self) -> Sequence[Told]:
        """Answer every symbol that has a price; `store_told` stores the answers."""
        return await tell(self.asked, self.served, self.rows.rows)


async def predict_liquid(
    request: LiquidRequest, parts: ServingParts, *, as_of: "datetime | None" = None
) -> Served:
    """Predict the gross return of a symbol over a horizon, and store it with its explanation.

    Parameters
    ----------
    request
        What to predict.
    parts
        Ports, memory and rules.
    as_of
        Predict with what was known then; None means now. What is said of the past never trades.

    Returns
    -------
    Served
        Also when it abstains.

    Raises
    ------
    InputError
        If no model and no rule is configured for the horizon.
    NotFoundError
        If the symbol has no price.
    """
    found = await predict_universe([request.symbol], request.horizon, parts, as_of=as_of)
    if not found:
        raise no_price(request.symbol)
    return found[request.symbol]


async def predict_universe(
    symbols: Sequence[str], horizon: str, parts: ServingParts, *, as_of: "datetime | None" = None
) -> Mapping[str, Served]:
    """Predict several symbols by one model: all is read by one round trip and stored by one statement.

    Parameters
    ----------
    symbols
        Distinct traded symbols in upper case.
    horizon
        One of those that are configured.
    parts
        Ports, memory and rules.
    as_of
        See `predict_liquid`.

    Returns
    -------
    mapping of str to Served
        Without the symbols that have no price.

    Raises
    ------
    InputError
        If no model and no rule is configured for the horizon.
    """
    async with open_universe(symbols, horizon, parts, beside=_nothing, as_of=as_of) as opened:
        told = await opened.tell()
        stored = await store_told(opened.stores, told)
        return {
            one.asked.symbol: Served(stored[one.asked.symbol], one.asked.price, one.snapshot) for one in told
        }


@asynccontextmanager
async def open_universe(
    symbols: Sequence[str],
    horizon: str,
    parts: ServingParts,
    *,
    beside: "Beside[B]",
    as_of: "datetime | None" = None,
) -> AsyncIterator[OpenedUniverse[B]]:
    """Open a transaction and read by one round trip what answers about symbols rest on.

    Parameters
    ----------
    symbols
        Distinct traded symbols in upper case.
    horizon
        One of those that are configured.
    parts
        Ports, memory and rules.
    beside
        Another read of the same round trip; what it raises ends the transaction.
    as_of
        See `predict_liquid`.

    Yields
    ------
    OpenedUniverse

    Raises
    ------
    InputError
        If no model and no rule is configured for the horizon.
    """
    known = parts.rules.models
    if horizon not in known:
        raise InputError(f"horizon must be one of {', '.join(known)}, was {horizon}")
    now = parts.clock.now()
    as_of_ns = datetime_to_ns(as_of or now)
    model = await find_model(*known[horizon], parts.cache, parts.transactions)
    chosen: Mapping[str, RegisteredModel | Why] = {
        symbol: model if isinstance(model, Why) else refusal(model, symbol, horizon) or model
        for symbol in symbols
    }
    served: ServedModel | Why | None = None
    if not isinstance(model, Why) and any(one is model for one in chosen.values()):
        served = await load_served(model, parts.cache, parts.artifacts)
    async with _opened(symbols, served, parts, as_of_ns=as_of_ns, beside=beside) as rows:
        asked = [
            Asked(
                symbol,
                horizon,
                chosen[symbol],
                facts,
                parts.rules,
                now,
                as_of_ns,
                is_replay=as_of is not None,
            )
            for symbol in symbols
            if (facts := rows.facts[symbol]).price is not None
        ]
        yield OpenedUniverse(rows, asked, served)


def no_price(symbol: str) -> NotFoundError:
    """Say that a symbol has no price."""
    return NotFoundError(f"there is no price of {symbol}")


def _opened(
    symbols: Sequence[str],
    served: ServedModel | Why | None,
    parts: ServingParts,
    *,
    as_of_ns: int,
    beside: "Beside[B]",
) -> "AbstractAsyncContextManager[OpenedRows[B]]":
    from marketsentry.services.serving_rows import open_facts, open_rows

    if not isinstance(served, ServedModel):
        return open_facts(symbols, parts.transactions, as_of_ns=as_of_ns, beside=beside)
    return open_rows(served, symbols, parts.cache, parts.transactions, as_of_ns=as_of_ns, beside=beside)


async def _nothing(stores: Stores) -> None:
    """Read nothing beside."""
