"""The closed sets of signals (contract 0.2)."""

from enum import StrEnum


class Action(StrEnum):
    """What a signal says."""

    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"

    @property
    def sign(self) -> int:
        """+1 to buy, -1 to sell, 0 to hold."""
        return {Action.BUY: 1, Action.SELL: -1, Action.HOLD: 0}[self]


class SignalPolicy(StrEnum):
    """How score and confidence are made."""

    BASELINE = "baseline-v2"
    ENSEMBLE = "ensemble-v1"


class Bucket(StrEnum):
    """What kind of bet it is; each kind has a cap on its share of the risk budget."""

    TREND = "trend"
    EVENT = "event"
    MEAN_REVERSION = "mean_reversion"
