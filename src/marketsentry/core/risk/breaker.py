"""The breaker of abnormal volatility (contract 1.5, K-39): closed by missing, short or stale prices.

Windows are defined in time. The newest 96 returns between neighbouring prices are judged; where prices come faster than
the feature clock of five minutes, so are the newest 96 returns between the last prices of its slots, so that a flood
of ticks does not push a fall out of the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.risk.codes import no_data_code, volatility_code
from marketsentry.core.risk.limits import BreakerLimits
from marketsentry.exceptions import InputError

WINDOW = timedelta(days=2)
MIN_PRICES = 32
MAX_RETURNS = 96
_SLOT_NS = 300 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class BreakerVerdict:
    """What prices say of one target. `code` is None when it may trade.

    `worst_abs_return` is None where there is no market data, or the check is switched off.
    """

    target: str
    code: str | None
    worst_abs_return: float | None
    threshold: float
    n_prices: int

    @property
    def tripped(self) -> bool:
        """Whether the price moved too much; too little data blocks without tripping."""
        return self.code is not None and self.worst_abs_return is not None


@dataclass(frozen=True, slots=True)
class MarketVerdict:
    """The targets of one call together. The whole track is stopped when half of those judged tripped, or more."""

    verdicts: tuple[BreakerVerdict, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the targets that may not open, in order."""
        return tuple(one.code for one in self.verdicts if one.code is not None)

    @property
    def tripped(self) -> tuple[BreakerVerdict, ...]:
        """Targets whose price moved too much."""
        return tuple(one for one in self.verdicts if one.tripped)

    @property
    def is_market_wide(self) -> bool:
        """Whether the market is involved, and the switch of the track is to be pulled."""
        judged = [one for one in self.verdicts if one.worst_abs_return is not None]
        return bool(self.tripped) and 2 * len(self.tripped) >= len(judged)


def judge_volatility(
    target: str,
    ts_ns: NDArray[np.int64],
    prices: NDArray[np.float64],
    *,
    now: datetime,
    limits: BreakerLimits,
) -> BreakerVerdict:
    """Judge one target.

    Parameters
    ----------
    target
        Symbol.
    ts_ns
        UTC epoch ns of each price, (n,), ascending.
    prices
        Quote currency, (n,); what is not finite and positive does not count.
    now
        With an offset. Prices of the last two days count; one from the future never does.
    limits
        Thresholds.

    Returns
    -------
    BreakerVerdict
        Blocked by fewer than 32 prices, by a newest price that is too old, or by a return above the threshold.

    Raises
    ------
    InputError
        If the arrays differ in length or times descend.
    """
    if ts_ns.shape != prices.shape or ts_ns.ndim != 1:
        raise InputError(f"times and prices must be (n,), were {ts_ns.shape} and {prices.shape}")
    if np.any(np.diff(ts_ns) < 0):
        raise InputError(f"prices of {target} must ascend in time")
    threshold = limits.threshold(target, now.astimezone(UTC).hour)
    now_ns = datetime_to_ns(now)
    window_ns = WINDOW // timedelta(microseconds=1) * 1_000
    counts = (ts_ns > now_ns - window_ns) & (ts_ns <= now_ns) & np.isfinite(prices) & (prices > 0.0)
    times, known = ts_ns[counts], prices[counts]
    if threshold <= 0.0:
        return BreakerVerdict(target, None, None, threshold, int(known.size))
    is_stale = known.size == 0 or now_ns - int(times[-1]) > limits.max_price_age_s * 1e9
    if is_stale or known.size < MIN_PRICES:
        return BreakerVerdict(target, no_data_code(target), None, threshold, int(known.size))
    worst = max(_worst_return(known), _worst_return(known[_last_of_slot(times)]))
    code = None if worst <= threshold else volatility_code(target)
    return BreakerVerdict(target, code, worst, threshold, int(known.size))


def judge_market(verdicts: Sequence[BreakerVerdict]) -> MarketVerdict:
    """Put the verdicts of distinct targets together."""
    return MarketVerdict(tuple(verdicts))


def _worst_return(prices: NDArray[np.float64]) -> float:
    newest = prices[-(MAX_RETURNS + 1) :]
    with np.errstate(over="ignore"):  # a return that overflows is infinite, and trips
        return float(np.max(np.abs(newest[1:] / newest[:-1] - 1.0), initial=0.0))


def _last_of_slot(ts_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the last price of each slot of five minutes; the newest price always is one."""
    slots = (ts_ns - 1) // _SLOT_NS
    return np.append(slots[1:] != slots[:-1], True)
