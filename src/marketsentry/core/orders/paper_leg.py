"""What a paper venue is to fill."""

from dataclasses import dataclass
from decimal import Decimal

from marketsentry.core.orders.order import LegKind, Side, TimeInForce


@dataclass(frozen=True, slots=True)
class PaperLeg:
    """A leg that wants `qty` more, in base units; what is filled pays `fee_bps`."""

    side: Side
    kind: LegKind
    qty: Decimal
    limit_price: Decimal
    time_in_force: TimeInForce
    fee_bps: float = 0.0
