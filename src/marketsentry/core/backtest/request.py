"""What a backtest is asked to do (contract 1.7): checked here, so that nothing is accepted and ignored."""

import math
from dataclasses import dataclass, replace
from typing import Any

from marketsentry.core.market.interval import Interval
from marketsentry.exceptions import InputError

TRACKS = ("liquid", "vc")
DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """One backtest.

    `targets` empty means the default universe. `horizon` None means that of the model. `model_name` None means the
    default of the track; with a name and without `model_version` the newest version is taken. `lookback_days` is
    the window that ends at the newest snapshot. Its first `train_days` are not traded, and whatever model scores
    a bar has been trained on at least that much. `test_days` is the length of each reported window.
    """

    track: str
    targets: tuple[str, ...] = ()
    horizon: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    data_version: str = "v1"
    lookback_days: int = 90
    train_days: int = 35
    test_days: int = 7
    fee_bps: float = 5.0
    slippage_bps: float = 3.0

    def __post_init__(self) -> None:
        if self.track not in TRACKS:
            raise InputError(f"track must be one of {', '.join(TRACKS)}, was {self.track!r}")
        for name, low, high in (("lookback_days", 14, 730), ("train_days", 7, 365), ("test_days", 1, 90)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} must be in {low}..{high}, was {getattr(self, name)}")
        for name in ("fee_bps", "slippage_bps"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= 1000):
                raise InputError(f"{name} must be in 0..1000, was {value}")
        if self.train_days + self.test_days > self.lookback_days:
            raise InputError(
                f"train_days + test_days must be <= lookback_days ({self.lookback_days}), "
                f"was {self.train_days} + {self.test_days}"
            )
        if not 1 <= len(self.data_version) <= 64:
            raise InputError(f"data_version must have 1..64 characters, had {len(self.data_version)}")
        if len(set(self.targets)) < len(self.targets):
            raise InputError(f"targets must be named once each, were {', '.join(self.targets)}")

    def with_targets(self, targets: tuple[str, ...]) -> "BacktestRequest":
        """Give the same request for these targets; those of the liquid track are upper case."""
        names = tuple(name.upper() for name in targets) if self.track == "liquid" else targets
        return replace(self, targets=names)

    def document(self) -> dict[str, Any]:
        """Echo the request as JSON values, in the contract's words."""
        return {
            "track": self.track,
            "targets": list(self.targets),
            "horizon": self.horizon,
            "model_name": self.model_name,
            "model_version": self.model_version,
            "data_version": self.data_version,
            "lookback_days": self.lookback_days,
            "train_days": self.train_days,
            "test_days": self.test_days,
            "fee_bps": self.fee_bps,
            "slippage_bps": self.slippage_bps,
        }


@dataclass(frozen=True, slots=True)
class Span:
    """The window of a run, UTC epoch ns: bars that open in [start, end), traded from `traded_from`."""

    start_ns: int
    traded_from_ns: int
    end_ns: int


def span_of(request: BacktestRequest, interval: Interval, end_ns: int) -> Span:
    """Lay the window of a request on the bar grid.

    Parameters
    ----------
    request
        Gives the days.
    interval
        Bar length.
    end_ns
        When the newest snapshot's bar ended.

    Returns
    -------
    Span

    Raises
    ------
    InputError
        If a bar is longer than a day or a day is not a multiple of it.
    """
    if DAY_NS % interval.ns:
        raise InputError(f"a backtest needs bars that divide a day, was {interval}")
    start_ns = end_ns - request.lookback_days * DAY_NS
    return Span(start_ns, start_ns + request.train_days * DAY_NS, end_ns)


def request_from(document: dict[str, Any]) -> BacktestRequest:
    """Read a request back from a stored run's configuration."""
    names = BacktestRequest.__dataclass_fields__
    values = {name: document[name] for name in names if name in document}
    return BacktestRequest(**{**values, "targets": tuple(values["targets"])})
