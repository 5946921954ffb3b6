"""What a headline is about: assets by a kept list of names, event type by a few plain words.

Names are matched as whole words, whatever their case. A ticker counts only where it is written in capitals
and is no ordinary word (`SOL`, `BTC`, never `ONE` or `LINK`), or with a dollar sign (`$LINK`). No other
capital word is ever taken for a ticker. Where no word decides, an event is of type `market`.
"""

import re
from collections.abc import Mapping
from typing import Any

from marketsentry.core.market.events import Event, Mention

ASSETS: dict[str, tuple[str, ...]] = {
    "BTC": ("Bitcoin",),
    "ETH": ("Ethereum", "Ether"),
    "SOL": ("Solana",),
    "XRP": ("Ripple",),
    "ADA": ("Cardano",),
    "DOGE": ("Dogecoin",),
    "LTC": ("Litecoin",),
    "DOT": ("Polkadot",),
    "BCH": ("Bitcoin Cash",),
    "TRX": ("Tron",),
    "XLM": ("Stellar Lumens", "Stellar"),
    "NEO": (),
    "BNB": ("Binance Coin",),
    "LINK": ("Chainlink",),
    "AVAX": ("Avalanche",),
    "MATIC": ("Polygon",),
    "UNI": ("Uniswap",),
    "ATOM": (),
    "SHIB": ("Shiba Inu",),
    "NEAR": ("Near Protocol",),
}

_ORDINARY_WORDS = frozenset({"LINK", "UNI", "ATOM", "NEAR", "DOT", "NEO", "ADA"})

_TYPE_WORDS: dict[str, tuple[str, ...]] = {
    "regulatory": (
        *("SEC", "CFTC", r"regulat\w*", "lawsuit", "sues?", "sued", "court", r"sanction\w*", r"legislat\w*"),
        *(
            "bills?",
            "senate",
            "congress",
            "ban(?:s|ned|ning)?",
            "tax(?:es|ation)?",
            "watchdog",
            "central bank",
        ),
        *("fined?", "crackdown", r"licen[cs]e\w*"),
    ),
    "mna": ("acquires?", "acquired", "acquisition", "merger", "merges?", "takeover", "buys out", "buyout"),
    "funding": (
        *("raises?", "raised", "funding round", "series [a-e]", "seed round", "venture capital", "valuation"),
    ),
    "product": (
        *("launch(?:es|ed)?", "mainnet", "testnet", r"upgrade\w*", "hard fork", "releases?", "released"),
        *("rolls? out", r"integrat\w+", "listing", "lists"),
    ),
}


def event_of_headline(
    title: str,
    *,
    occurred_at_ns: int,
    known_at_ns: int,
    source_name: str | None,
    source_url: str | None,
    payload: Mapping[str, Any],
) -> Event:
    """Make an event of a news item: type from the headline, assets from headline and text.

    Parameters
    ----------
    title : str
        Headline.
    occurred_at_ns : int
        Its time, UTC epoch ns.
    known_at_ns : int
        When it could first have been read, UTC epoch ns.
    source_name : str or None
        Who published it.
    source_url : str or None
        Where it appeared.
    payload : mapping
        Whatever else came with it; `text` is searched for assets too.

    Returns
    -------
    Event
        Tier and scores keep the defaults of an unrated source.
    """
    clean = title.replace("\x00", "").strip()
    return Event(
        event_type=event_type_of(clean),
        title=clean,
        occurred_at_ns=occurred_at_ns,
        known_at_ns=known_at_ns,
        source_name=source_name,
        source_url=source_url or None,
        payload=payload,
        mentions=mentions_in(f"{clean}\n{payload.get('text') or ''}"),
    )


def mentions_in(text: str) -> tuple[Mention, ...]:
    """Find the assets a text names, in the order of `ASSETS`, each once."""
    found: set[str] = set()
    for match in _NAMES.finditer(text):
        found.add(_SYMBOL_OF[match[0].lower()])
    for match in _TICKERS.finditer(text):
        symbol = match[0].removeprefix("$")
        if match[0].startswith("$") or symbol not in _ORDINARY_WORDS:
            found.add(symbol)
    return tuple(Mention("asset", _entity_name(symbol), symbol) for symbol in ASSETS if symbol in found)


def event_type_of(title: str) -> str:
    """Classify a headline: the first of `regulatory`, `mna`, `funding`, `product` with a word in it."""
    for event_type, pattern in _TYPE_PATTERNS:
        if pattern.search(title):
            return event_type
    return "market"


def _entity_name(symbol: str) -> str:
    names = ASSETS[symbol]
    return names[0] if names else symbol


_SYMBOL_OF = {name.lower(): symbol for symbol, names in ASSETS.items() for name in names}
_NAMES = re.compile(
    r"\b(?:" + "|".join(sorted(map(re.escape, _SYMBOL_OF), key=len, reverse=True)) + r")\b", re.IGNORECASE
)
_TICKERS = re.compile(r"(?<![\w$])\$?(?:" + "|".join(ASSETS) + r")\b")
_TYPE_PATTERNS = tuple(
    (kind, re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)) for kind, words in _TYPE_WORDS.items()
)
