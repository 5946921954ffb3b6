"""One name per market: how venue symbols become the symbols used everywhere inside.

A spot pair against USDT on an exchange that quotes in it is called by its base asset (`BTCUSDT` -> `BTC`),
a linear perpetual against USDT by its base with `-PERP`. Every other market keeps both assets in its name
(`BTC-USD`, `ETH-BTC`, `BTC-USDC`, `BTC-USD-PERP`), so that two markets never share a name.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from marketsentry.exceptions import InputError

MAX_SYMBOL_LENGTH = 20
SYNTHETIC_SOURCE = "synthetic"

_QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "GBP", "TRY", "JPY", "BTC", "ETH", "BNB")
_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}
_PERP_SUFFIX = re.compile(r"[-_](SWAP|PERP|PERPETUAL|UMCBL|DMCBL|CMCBL)$")
_SYMBOL = re.compile(r"^[A-Z0-9][A-Z0-9.\-]*$")


class Market(StrEnum):
    """What is traded: the asset itself, or a perpetual contract on it."""

    SPOT = "spot"
    PERP = "perp"


@dataclass(frozen=True, slots=True)
class Pair:
    """A venue's symbol taken apart. `quote` is empty where the venue's name does not say it."""

    base: str
    quote: str
    market: Market


def canonical_symbol(raw: str, market: Market) -> str:
    """Name a market by the one rule of this module.

    Parameters
    ----------
    raw : str
        The venue's spelling: `BTCUSDT`, `BTC-USD`, `BTC/USDT:USDT`, `BTC-USDT-SWAP`, `BTCUSD_PERP`, `XBTUSD`.
    market : Market
        Spot or perpetual; a spelling that itself says perpetual wins over it.

    Returns
    -------
    str
        Upper case, at most 20 characters.

    Raises
    ------
    InputError
        If `raw` holds other characters than letters, digits, dots and dashes, or the name is too long.

    Examples
    --------
    >>> canonical_symbol("btcusdt", Market.SPOT), canonical_symbol("BTCUSDT", Market.PERP)
    ('BTC', 'BTC-PERP')
    >>> canonical_symbol("BTC-USD", Market.SPOT), canonical_symbol("BTCUSD_PERP", Market.SPOT)
    ('BTC-USD', 'BTC-USD-PERP')
    """
    pair = split_symbol(raw, market)
    name = pair.base if pair.quote in ("", "USDT") else f"{pair.base}-{pair.quote}"
    return check_symbol(name if pair.market is Market.SPOT else f"{name}-PERP")


def split_symbol(raw: str, market: Market) -> Pair:
    """Take a venue's symbol apart into base, quote and market."""
    text = raw.strip().upper()
    text, colon, _ = text.partition(":")
    for alias, asset in _ALIASES.items():
        text = asset + text.removeprefix(alias) if text.startswith(alias) else text
    if colon:
        market = Market.PERP
    text, n_suffixes = _PERP_SUFFIX.subn("", text)
    if n_suffixes:
        market = Market.PERP
    if market is Market.PERP and text.endswith("PERP") and len(text) > len("PERP"):
        return Pair(text.removesuffix("PERP").rstrip("-_"), "USDC", market)
    for separator in ("/", "-", "_"):
        if separator in text:
            base, _, quote = text.partition(separator)
            return Pair(base, quote, market)
    for quote in _QUOTES:
        if text.endswith(quote) and len(text) > len(quote):
            return Pair(text.removesuffix(quote), quote, market)
    return Pair(text, "", market)


def check_symbol(name: str) -> str:
    """Return `name` in upper case, or refuse it."""
    upper = name.strip().upper()
    if not _SYMBOL.match(upper) or len(upper) > MAX_SYMBOL_LENGTH:
        raise InputError(
            f"symbol must be 1 to {MAX_SYMBOL_LENGTH} letters, digits, dots and dashes, was {name!r}"
        )
    return upper


def source_name(venue: str, market: Market) -> str:
    """Name where data came from: `binance` and spot -> `binance_spot`."""
    return f"{venue.strip().lower()}_{market}"


def market_of_source(source: str) -> Market:
    """Read the market off a source: `binance_perp`, `binance_coinm` -> perpetual; anything else is spot."""
    return Market.PERP if source.endswith(("_perp", "_coinm")) else Market.SPOT


def counts_contracts(source: str) -> bool:
    """Tell whether the sizes of a source are numbers of contracts and not base units."""
    return source.endswith("_coinm")


def perp_of(symbol: str) -> str:
    """Name the perpetual that belongs to a spot symbol: `BTC` -> `BTC-PERP`; a perpetual stays itself."""
    return symbol if symbol.endswith("-PERP") else f"{symbol}-PERP"


def market_of_symbol(symbol: str) -> Market:
    """Read the market off a canonical symbol."""
    return Market.PERP if perp_of(symbol) == symbol else Market.SPOT


def base_of(symbol: str) -> str:
    """Name the asset of a canonical symbol: `BTC-PERP`, `BTC-USD` and `BTC` -> `BTC`."""
    return symbol.partition("-")[0]
