"""How an order is to be traded where there is a choice: market, margin, leverage. What is not said is the account's."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from marketsentry.core.market.symbols import Market
from marketsentry.exceptions import InputError

MAX_LEVERAGE = 125


class ProductType(StrEnum):
    """Which perpetuals, in Bitget's words; there are those against USDT alone."""

    USDT_FUTURES = "USDT-FUTURES"


class PositionMode(StrEnum):
    """Whether a product has one net position or one on each side."""

    ONE_WAY = "one_way_mode"
    HEDGE = "hedge_mode"


class MarginMode(StrEnum):
    """Whether positions share their margin."""

    CROSSED = "crossed"
    ISOLATED = "isolated"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the client said; None and False say nothing.

    With `reduce_only` an order that would open or enlarge a position is refused. Leverage is what the account must
    have: it is never set. All but `market_type` and `reduce_only` are terms of perpetuals.
    """

    market_type: Market | None = None
    product_type: ProductType | None = None
    leverage: int | None = None
    position_mode: PositionMode | None = None
    margin_mode: MarginMode | None = None
    reduce_only: bool = False

    def __post_init__(self) -> None:
        if self.leverage is not None and not 1 <= self.leverage <= MAX_LEVERAGE:
            raise InputError(f"leverage must be 1..{MAX_LEVERAGE}, was {self.leverage}")

    def document(self) -> dict[str, Any]:
        """Spell what was said as JSON values."""
        return {
            name: str(value) if isinstance(value, StrEnum) else value for name, value in self._said().items()
        }

    def over(self, other: "Terms") -> "Terms":
        """Say what this says, and what the other says where this says nothing."""
        said = self._said()
        return replace(other, **said) if said else other

    def _said(self) -> dict[str, Any]:
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}


NO_TERMS = Terms()


def terms_of(document: Mapping[str, Any] | None) -> Terms:
    """Read back what `Terms.document` spelled; None is nothing said."""
    if not document:
        return NO_TERMS
    kinds = {
        "market_type": Market,
        "product_type": ProductType,
        "position_mode": PositionMode,
        "margin_mode": MarginMode,
    }
    words: dict[str, Any] = {name: kind(document[name]) for name, kind in kinds.items() if name in document}
    return Terms(leverage=document.get("leverage"), reduce_only=document.get("reduce_only", False), **words)
