"""What a backtest is asked to do (contract 1.7): checked here, so that nothing is accepted and ignored."""

import math
from dataclasses import dataclass, replace
from typing import Any

from marketsentry.core.market.interval import Interval
from marketsentry.core.market.symbols import Market, perp_of
from marketsentry.exceptions import InputError

TRACKS = ("liquid", "vc")
MAX_LEVERAGE = 100.0
DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """One backtest.

    `targets` empty means the default universe. `horizon` None means that of the model. `model_name` None means the
    default of the track; with a name and without `model_version` the newest version is taken. `lookback_days` is
    the window that ends at the newest snapshot. Its first `train_days` are not traded, and whatever model scores
    a bar has been trained on at least that much. `test_days` is the length of each reported window. On the market of
    perpetuals the targets are contracts and `leverage` is the gross that their venue lends for; on spot it is 1.
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
    market: Market = Market.SPOT
    leverage: float = 1.0

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
        if self.market is Market.PERP and self.track != "liquid":
            raise InputError(f"market must be spot for track {self.track}, was {self.market}")
        most = MAX_LEVERAGE if self.market is Market.PERP else 1.0
        if not 1.0 <= self.leverage <= most:
            raise InputError(f"leverage must be in 1..{most:g} on {self.market}, was {self.leverage}")
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
        """Give the same request for these targets; those of the liquid track are upper case.

        On the market of perpetuals an asset means its contract (`BTC`, `BTC-PERP`); on spot a contract is refused.
        """
        names = tuple(name.upper() for name in targets) if self.track == "liquid" else targets
        if self.market is Market.PERP:
            names = tuple(dict.fromkeys(perp_of(name) for name in names))
        contracts = [name for name in names if name == perp_of(name)]
        if contracts and self.market is Market.SPOT and self.track == "liquid":
            raise InputError(
                f"targets of a spot market must not be perpetuals, was {contracts[0]}; see market"
            )
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
            "market": str(self.market),
            "leverage": self.leverage,
        }


@dataclass(frozen=True, slots=True)
class Span:
    """The window of a run, UTC epoch ns: bars that open in [start, end), traded from `traded_from`."""

    start_ns: int
    traded_from_ns: int
    end_ns: int


def market_named(text: str) -> Market:
    """Read the name of a market: `spot`, `perp` or `perpetual`; raises `InputError` for another."""
    names = {"spot": Market.SPOT, "perp": Market.PERP, "perpetual": Market.PERP}
    if text.lower() not in names:
        raise InputError(f"market must be one of {', '.join(names)}, was {text!r}")
    return names[text.lower()]


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
    values["market"] = Market(values.get("market", Market.SPOT))
    return BacktestRequest(**{**values, "targets": tuple(values["targets"])})
