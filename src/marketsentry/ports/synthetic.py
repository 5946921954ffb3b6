"""What made the synthetic series that are stored, and how to get rid of them."""

from typing import Protocol

from marketsentry.core.market.interval import Interval


class SyntheticStore(Protocol):
    """Origins of synthetic series. A symbol has at most one synthetic market."""

    async def origin(self, symbol: str) -> str | None:
        """Read the recipe of a symbol's synthetic market; None when it has none."""
        ...

    async def record(self, symbol: str, interval: Interval, recipe: str, *, n_bars: int) -> None:
        """Remember what made a symbol's market; a longer one of the same recipe replaces its line."""
        ...

    async def erase(self, symbol: str) -> int:
        """Delete a symbol's synthetic bars, their manifest lines, its news and funding; returns bars deleted.

        Nothing recorded at a venue is touched.
        """
        ...
