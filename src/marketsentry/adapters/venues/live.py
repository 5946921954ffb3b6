"""Live venues by the names of contract 1.6, with its checks in its order: the venue, its keys, the locks.

Without the first two there is nothing to open. With a closed lock a venue can be read and its orders can be cancelled,
and no order goes out.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.adapters.venues.bitget_perpetual import MARGIN_COIN, Contracts
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.adapters.venues.coinbase_live import CoinbaseLive
from marketsentry.adapters.venues.venue_access import VenueAccess
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.terms import MarginMode
from marketsentry.ports.venue import VenueRefusedError

LOCKED = "live_trading_disabled"
_VENUES = ("coinbase", "bitget")


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What is configured of one venue; `is_unlocked` says whether every lock before an order is open."""

    venue: str
    base_url: str
    timeout_s: float
    is_unlocked: bool
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    quote_currency: str = "USD"
    symbols: tuple[str, ...] = ()
    max_skew_s: float = 5.0
    market: str = "spot"
    margin_mode: str = "crossed"
    leverage: int = 1


def open_live(settings: LiveSettings, *, is_public: bool = False) -> CcxtVenue:
    """Make the adapter of a live venue; nothing is sent yet.

    Parameters
    ----------
    settings
        What is configured of it.
    is_public
        Whether it will be asked only for what needs no key.

    Returns
    -------
    CcxtVenue
        With a closed lock it refuses every order as `live_trading_disabled`.

    Raises
    ------
    VenueRefusedError
        `unsupported_venue:{venue}`, or `{venue}_credentials_not_configured`.
    """
    if settings.venue not in _VENUES:
        raise VenueRefusedError(
            f"unsupported_venue:{settings.venue}",
            f"live venues are {', '.join(_VENUES)}, was {settings.venue!r}",
        )
    is_bitget = settings.venue == "bitget"
    if not is_public and not (
        settings.api_key and settings.api_secret and (settings.passphrase or not is_bitget)
    ):
        raise VenueRefusedError(
            f"{settings.venue}_credentials_not_configured", f"the keys of {settings.venue} are not configured"
        )
    access = VenueAccess(
        base_url=settings.base_url,
        api_key=settings.api_key,
        api_secret=settings.api_secret,
        passphrase=settings.passphrase,
        timeout_s=settings.timeout_s,
        quote_currency=MARGIN_COIN if is_bitget else settings.quote_currency,
        symbols=_traded(settings),
        max_skew_s=settings.max_skew_s,
        trading_refusal=None if settings.is_unlocked else LOCKED,
    )
    if not is_bitget:
        return CoinbaseLive(access)
    contracts = Contracts(MarginMode(settings.margin_mode), Decimal(settings.leverage))
    return open_bitget(access, Market(settings.market), contracts)


def _traded(settings: LiveSettings) -> tuple[str, ...]:
    """Name the universe as the market names it: the perpetual of `BTC` is `BTC-PERP`."""
    if settings.venue == "bitget" and settings.market == "perp":
        return tuple(one if one.endswith("-PERP") else f"{one}-PERP" for one in settings.symbols)
    return settings.symbols
