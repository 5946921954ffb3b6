"""What a trader is told: which model decides, where it trades, and one bar after the other; and what came of a bar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.orders.plan import PlanStyle
from marketsentry.core.trading.decider import Decided
from marketsentry.ports.orders import StoredOrder

if TYPE_CHECKING:
    from marketsentry.services.predict_told import Told

TRACK = "liquid"
POLICY = "decision-core"


@dataclass(frozen=True, slots=True)
class TradedModel:
    """The version that decides: what its predictions are stored with. `name` is `{name}-{version}`."""

    id: int
    name: str
    horizon: str
    feature_version: str
    feature_lineages: Mapping[str, str]
    is_tradeable: bool


@dataclass(frozen=True, slots=True)
class TraderRules:
    """Where and how a strategy trades; orders are whole `lots` of the symbols in it, else of any quantity.

    What is worth less than `smallest_quote` is not ordered.
    """

    strategy_id: str
    adapter: str = "paper"
    venue: str = "coinbase"
    style: PlanStyle = PlanStyle.MARKET
    max_slippage_bps: Decimal = Decimal(2000)
    fee_bps: Decimal = Decimal(5)
    max_retries: int = 0
    lots: Mapping[str, Decimal] = field(default_factory=dict)
    smallest_quote: float = 0.0


@dataclass(frozen=True, slots=True)
class ClosedBar:
    """One bar of every target at its close: bars (N, 5), predictions (N,), NaN where there is none.

    `trend` (N,) is the strength of the trend, -1..1, NaN where it is not known; it only sorts signals into buckets.
    `told` are the answers behind the predictions, to be stored with the bar whatever is decided; None: predictions on
    snapshots that are stored already, which are worth a row where something is ordered.
    """

    ts_ns: int
    end_ns: int
    bars: NDArray[np.float64]
    predictions: NDArray[np.float64]
    trend: NDArray[np.float64]
    told: "Sequence[Told] | None" = None

    @property
    def end(self) -> datetime:
        """Close of the bar."""
        return ns_to_datetime(self.end_ns)


@dataclass(frozen=True, slots=True)
class BarStep:
    """What one bar led to. `codes` are those by which risk held orders back; equity is the ledger's."""

    decided: Decided
    equity_quote: Decimal
    decision_id: str | None
    orders: Sequence[StoredOrder]
    codes: tuple[str, ...] = ()
