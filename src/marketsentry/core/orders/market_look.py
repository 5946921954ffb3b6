"""The market of a symbol as a paper venue sees it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class MarketLook:
    """The market of one symbol at one time.

    `mid` in quote currency > 0; `volume` of one bar in base units and `volatility` of one bar's return as a fraction,
    None where no bar is known.
    """

    symbol: str
    mid: Decimal
    at: datetime
    volume: float | None = None
    volatility: float | None = None
