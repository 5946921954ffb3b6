"""Where orders trade and on which terms: fields that entering orders and running them have in common (contract 1.6)."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator, model_validator

from marketsentry.api.schemas.texts import stored_text
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.terms import MAX_LEVERAGE, MarginMode, PositionMode, ProductType, Terms
from marketsentry.core.risk.codes import GLOBAL
from marketsentry.ports.accounts import FEE_COINS

Adapter = Literal["paper", "coinbase_live", "bitget_live"]
Name = Annotated[str, stored_text(64)]
_BITGET = "bitget_live"


def _is_one(strategy_id: str) -> str:
    if strategy_id == GLOBAL:
        raise ValueError(f"strategy_id must not be {GLOBAL}, which means the whole track and holds nothing")
    if strategy_id == FEE_COINS:
        raise ValueError(f"strategy_id must not be {FEE_COINS}, which pays fees in coins of the account")
    return strategy_id


Strategy = Annotated[Name, AfterValidator(_is_one)]
"""A strategy that can own orders and positions."""


class TermsIn(BaseModel):
    """A venue, and what is chosen there; what is not said is as the account is set up."""

    adapter: Adapter = "paper"
    venue: Name = Field(
        "coinbase", description="`bitget` when it is not named and the adapter is `bitget_live`"
    )
    market_type: Market | None = Field(None, description="`bitget_live` alone: `spot` or `perp`")
    product_type: ProductType | None = Field(None, description="perpetuals alone")
    leverage: int | None = Field(
        None,
        ge=1,
        le=MAX_LEVERAGE,
        description="perpetuals alone: what the account must have; it is never set",
    )
    position_mode: PositionMode | None = Field(
        None, description="perpetuals alone; `hedge_mode` is refused as `venue_error:position_mode`"
    )
    margin_mode: MarginMode | None = Field(None, description="perpetuals alone")

    @model_validator(mode="before")
    @classmethod
    def _bitget_is_at_bitget(cls, said: Any) -> Any:
        if isinstance(said, dict) and said.get("adapter") == _BITGET and "venue" not in said:
            return {**said, "venue": "bitget"}
        return said

    @field_validator("market_type")
    @classmethod
    def _is_for_bitget(cls, value: Market | None, info: ValidationInfo) -> Market | None:
        if value is not None and (adapter := info.data.get("adapter", _BITGET)) != _BITGET:
            raise ValueError(f"market_type is for adapter {_BITGET}, which was {adapter}")
        return value

    @field_validator("product_type", "leverage", "position_mode", "margin_mode")
    @classmethod
    def _is_of_perpetuals(cls, value: Any, info: ValidationInfo) -> Any:
        market = info.data.get("market_type", Market.PERP)  # one that is wrong is told by itself
        if value is not None and market is not Market.PERP:
            raise ValueError(f"{info.field_name} is for market_type perp, which was {market or 'not named'}")
        return value

    def terms(self, *, reduce_only: bool) -> Terms:
        """Give what was said to those who trade."""
        return Terms(
            market_type=self.market_type,
            product_type=self.product_type,
            leverage=self.leverage,
            position_mode=self.position_mode,
            margin_mode=self.margin_mode,
            reduce_only=reduce_only,
        )
