"""Where a venue is, and what an adapter may do there."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class VenueAccess:
    """Where a venue is, with which key, and what the adapter may do there.

    `trading_refusal` is the code that every order is refused with while a lock is closed; None opens both. `symbols`
    is the universe, for venues that tell fills by product only.
    """

    base_url: str
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    timeout_s: float = 5.0
    quote_currency: str = "USD"
    symbols: tuple[str, ...] = ()
    max_skew_s: float = 5.0
    trading_refusal: str | None = None

    @property
    def has_key(self) -> bool:
        """Whether it can sign."""
        return bool(self.api_key and self.api_secret)
