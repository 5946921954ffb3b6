"""How Coinbase and Bitget tell trades on their streams, as events of the market."""

from collections.abc import Mapping
from typing import Any, Protocol

from marketsentry.adapters.venues.wire import decimal_of, instant_of, instant_of_ms, rows_of, text_of
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.market.trade_bars import Print
from marketsentry.ports.market_stream import Begun, Heard, Interrupted, MarketEvent, Traded
from marketsentry.ports.venue import OutcomeUnknownError

_TRADES = "market_trades"


class TradeReader(Protocol):
    """Reads the messages of one venue."""

    def read(self, connection: int, message: Any) -> list[MarketEvent]:
        """Tell what a message says; raises `OutcomeUnknownError` when it cannot be read."""
        ...


class CoinbaseTrades:
    """Every message of a connection has the next number, so one that is missing is noticed.

    Parameters
    ----------
    symbols
        Our names by those of the venue.
    """

    def __init__(self, symbols: Mapping[str, str]) -> None:
        self._symbols = symbols
        self._connection: int | None = None
        self._next: int | None = None

    def read(self, connection: int, message: Any) -> list[MarketEvent]:
        """Read one message; see `TradeReader.read`."""
        if not isinstance(message, dict) or "sequence_num" not in message:
            return []
        if connection != self._connection:
            self._connection, self._next = connection, None
        number = int(decimal_of(message, "sequence_num"))
        if self._next is not None and number < self._next:
            return []  # told before
        at_ns = datetime_to_ns(instant_of(message, "timestamp"))
        found: list[MarketEvent] = []
        if self._next is not None and number > self._next:
            found.append(Interrupted(f"message {number} came after {self._next - 1}"))
            found += [Begun(symbol, at_ns) for symbol in self._symbols.values()]
        self._next = number + 1
        for event in rows_of(message.get("events"), "events"):
            if message.get("channel") == "subscriptions":
                names = (event.get("subscriptions") or {}).get(_TRADES) or ()
                found += [Begun(self._symbols[name], at_ns) for name in names if name in self._symbols]
            elif message.get("channel") == _TRADES:
                found += self._traded(rows_of(event.get("trades"), "trades"))
        return [*found, Heard(at_ns)]

    def _traded(self, rows: list[Mapping[str, Any]]) -> list[MarketEvent]:
        prints: dict[str, list[Print]] = {}
        for row in rows:
            symbol = self._symbols.get(text_of(row, "product_id"))
            if symbol is not None:
                at_ns = datetime_to_ns(instant_of(row, "time"))
                prints.setdefault(symbol, []).append(_print(row, at_ns, "trade_id"))
        return [Traded(symbol, tuple(told)) for symbol, told in prints.items()]


class BitgetTrades:
    """A subscription begins with a snapshot, whose time says from when on nothing is missed.

    Parameters
    ----------
    symbols
        Our names by those of the venue.
    """

    def __init__(self, symbols: Mapping[str, str]) -> None:
        self._symbols = symbols

    def read(self, connection: int, message: Any) -> list[MarketEvent]:
        """Read one message; see `TradeReader.read`."""
        arg = message.get("arg") if isinstance(message, dict) else None
        if not isinstance(arg, dict) or arg.get("channel") != "trade" or "ts" not in message:
            return []
        symbol = self._symbols.get(str(arg.get("instId")))
        if symbol is None:
            return []
        at_ns = datetime_to_ns(instant_of_ms(message, "ts"))
        prints = tuple(
            _print(row, datetime_to_ns(instant_of_ms(row, "ts")), "tradeId")
            for row in rows_of(message.get("data"), "data")
        )
        begun = [Begun(symbol, at_ns)] if message.get("action") == "snapshot" else []
        return [*begun, Traded(symbol, prints), Heard(at_ns)]


def _print(row: Mapping[str, Any], at_ns: int, id_name: str) -> Print:
    price, qty = decimal_of(row, "price"), decimal_of(row, "size")
    if not (price > 0 and qty > 0):
        raise OutcomeUnknownError(f"a trade must have a price and a size > 0, had {price} and {qty}")
    return Print(at_ns, price, qty, text_of(row, id_name))
