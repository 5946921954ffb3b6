"""What a replay assumes, each number with its unit in its name.

Assumptions of the simulated market
-----------------------------------
- A decision is taken at the close of a bar from what is known then, and fills no earlier than the open of
  the bar `latency_bars` later.
- An order works through its bar and is priced at that bar's open. It takes at most `participation_frac` of
  the bar's volume; the rest goes on in the next bar until a new decision replaces it. Lost bars and bars
  without trades fill nothing.
- A fill pays the fee, half the spread and square-root impact, each once, on its notional at the open.
- A spot account owns what it holds: gross weights stay within its equity. What it sells short it borrows, for
  `borrow_bps_per_day` of the notional at each close.
- A perpetual is a linear contract in quote currency; all positions share the account's equity as margin (cross
  margin). It pays or receives the venue's funding rates on the notional at the close of the bar that ends with or
  after the charge, for what is held there; a fill at the next open comes after the charge. A rate that is not in
  the record costs either side `missing_funding_bps`, is counted, and nothing opens until a rate is known again.
- A perpetual account is liquidated when its equity falls below `maintenance_margin_frac` of its notional at the worst
  prices of a bar: every long at its low and every short at its high. All positions then close where that happened,
  whatever the volume (at the open if margin was gone there), and pay `liquidation_fee_bps`, at most the equity that
  is left. A loss beyond the equity stays on the account as negative equity.
- A change of a position below `min_notional_quote` is not ordered, except going flat.
- A position whose symbol has no bar is marked at its last price.
- Crypto trades around the clock: a year has 365 days.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marketsentry.core.market.interval import Interval
from marketsentry.core.market.symbols import Market
from marketsentry.exceptions import InputError
from marketsentry.kernels.policy import Policy
from marketsentry.kernels.records import Rules

POLICY_PREFIX = "policy."  # before the name of a policy's parameter, beside those of the replay
SIGNAL_PARAMS = ("entry_edge_bps", "exit_edge_bps", "cost_multiple", "full_conviction_sigmas")


@dataclass(frozen=True, slots=True)
class ReplayParams:
    """Parameters of one replay. Fractions are 0..1 unless said otherwise, weights are fractions of equity.

    periods_per_year: bars in 365 days, from the interval; it has no default.
    horizon_bars: how far ahead the predictions look.
    capital_quote: equity at the start; it matters, for impact and participation grow with it.
    fee_bps, half_spread_bps: paid on traded notional.
    impact_coefficient: impact of taking a whole bar's volume, in deviations of that bar's return.
    participation_frac: most of a bar's volume one target may take; infinity lifts the limit.
    latency_bars: bars between a decision's close and the open that fills it.
    entry_edge_bps: prediction beyond the round-trip cost that opens a position.
    exit_edge_bps: prediction at which an open position closes; below zero it rides out a mild contradiction.
    cost_multiple: how many round-trip costs (two fees, two half-spreads) a prediction must promise to open.
    full_conviction_sigmas: prediction that is a full wish, in deviations over the horizon; 0: all are full.
    min_confidence: predictions below are unusable.
    prediction_ttl_bars: bars a position outlives its last usable prediction.
    allow_short: whether negative weights exist.
    position_volatility_frac: yearly deviation one full wish is sized to; None leaves sizing to the caps.
    volatility_halflife_bars: memory of the volatility estimate.
    volatility_warmup_bars: returns it needs before it counts.
    taper_start_frac, taper_stop_frac: drawdowns between which size falls from full to `taper_floor_frac`.
    risk_budget: gross the sizing may ask for.
    max_single_weight .. max_style_exposure: the limits of the risk check.
    rebalance_band_frac: weight changes up to this are left undone, except going flat.
    min_notional_quote: smallest order, in quote currency; 0 lifts the limit.
    market: spot or perpetual; it decides what holding costs and whether leverage exists.
    max_leverage: gross that the venue lends for, at least 1; 1 on spot. The smaller of it and `max_gross_exposure`
        rules.
    maintenance_margin_frac: of the notional, below which a perpetual account is liquidated. The default is above the
        first brackets of BTC and ETH on large venues (0.4 to 0.5 %) and that of most others.
    liquidation_fee_bps: on the notional of a liquidation.
    missing_funding_bps: charged where the rate of funding is unknown.
    borrow_bps_per_day: of short spot positions; the default is 11 % a year.
    policy: parameters by name of the user's policy that decides; None is the built-in rule, whose own parameters
        (`SIGNAL_PARAMS`) say nothing beside a policy.
    """

    periods_per_year: float
    horizon_bars: int
    capital_quote: float = 100_000.0
    fee_bps: float = 5.0
    half_spread_bps: float = 3.0
    impact_coefficient: float = 1.0
    participation_frac: float = 0.1
    latency_bars: int = 1
    entry_edge_bps: float = 0.0
    exit_edge_bps: float = 0.0
    cost_multiple: float = 1.0
    full_conviction_sigmas: float = 0.0
    min_confidence: float = 0.0
    prediction_ttl_bars: int = 1
    allow_short: bool = True
    position_volatility_frac: float | None = 0.15
    volatility_halflife_bars: float = 48.0
    volatility_warmup_bars: int = 24
    taper_start_frac: float = 0.1
    taper_stop_frac: float = 0.2
    taper_floor_frac: float = 0.25
    risk_budget: float = 1.0
    max_single_weight: float = 0.2
    max_gross_exposure: float = 1.0
    max_turnover: float = 0.35
    max_sector_exposure: float = 0.45
    max_style_exposure: float = 0.55
    rebalance_band_frac: float = 0.02
    min_notional_quote: float = 10.0
    market: Market = Market.SPOT
    max_leverage: float = 1.0
    maintenance_margin_frac: float = 0.01
    liquidation_fee_bps: float = 100.0
    missing_funding_bps: float = 75.0
    borrow_bps_per_day: float = 3.0
    policy: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        positive = ("periods_per_year", "capital_quote", "participation_frac", "volatility_halflife_bars",
                    "risk_budget", "max_single_weight", "max_gross_exposure", "max_turnover",
                    "max_sector_exposure", "max_style_exposure")  # fmt: skip
        for name in positive:
            self._must(getattr(self, name) > 0.0, name, "> 0")
        for name in ("fee_bps", "half_spread_bps", "impact_coefficient", "entry_edge_bps", "cost_multiple",
                     "full_conviction_sigmas", "rebalance_band_frac", "taper_start_frac", "min_notional_quote",
                     "liquidation_fee_bps", "missing_funding_bps", "borrow_bps_per_day"):  # fmt: skip
            self._must(0.0 <= getattr(self, name) < math.inf, name, ">= 0 and finite")
        for name in ("horizon_bars", "latency_bars", "volatility_warmup_bars"):
            self._must(getattr(self, name) >= 1, name, ">= 1")
        self._must(self.prediction_ttl_bars >= 0, "prediction_ttl_bars", ">= 0")
        self._must(math.isfinite(self.capital_quote), "capital_quote", "finite")
        self._must(0.0 <= self.min_confidence <= 1.0, "min_confidence", "in 0..1")
        self._must(0.0 <= self.taper_floor_frac <= 1.0, "taper_floor_frac", "in 0..1")
        self._must(
            self.taper_stop_frac > self.taper_start_frac, "taper_stop_frac", f"> {self.taper_start_frac}"
        )
        self._must(self.exit_edge_bps <= self.entry_threshold_bps, "exit_edge_bps", "<= the entry threshold")
        target = self.position_volatility_frac
        self._must(target is None or 0.0 < target < math.inf, "position_volatility_frac", "> 0 or None")
        self._must(self.market in tuple(Market), "market", f"one of {', '.join(Market)}")
        if self.is_perpetual:
            self._must(1.0 <= self.max_leverage < math.inf, "max_leverage", ">= 1 and finite")
        else:
            self._must(self.max_leverage == 1.0, "max_leverage", "1 on spot")
        self._must(
            0.0 < self.maintenance_margin_frac < 1.0 / self.max_leverage,
            "maintenance_margin_frac",
            f"> 0 and below the initial margin {1.0 / self.max_leverage:g}",
        )

    @property
    def is_perpetual(self) -> bool:
        """Whether contracts are traded, not the asset itself."""
        return self.market == Market.PERP

    @property
    def round_trip_cost_bps(self) -> float:
        """Fees and half-spreads of getting in and out again; impact depends on size and is not in it."""
        return 2.0 * (self.fee_bps + self.half_spread_bps)

    @property
    def entry_threshold_bps(self) -> float:
        """Prediction beyond which a position opens."""
        return self.entry_edge_bps + self.cost_multiple * self.round_trip_cost_bps

    def document(self) -> dict[str, Any]:
        """Every parameter by name as JSON values; an unlimited participation is None, no policy is left out."""
        values = dataclasses.asdict(self)
        if self.policy is None:
            del values["policy"]
        values["market"] = str(self.market)
        return {name: None if value == math.inf else value for name, value in values.items()}

    def rules(self, *, with_confidence: bool, policy: Policy | None = None) -> Rules:
        """Lay the parameters out as the kernels take them; a policy is always told the volatility."""
        target = self.position_volatility_frac or 0.0
        sized = target > 0.0 or self.full_conviction_sigmas > 0.0
        needs_volatility = sized or self.impact_coefficient > 0.0
        return Rules(
            fee_bps=float(self.fee_bps),
            half_spread_bps=float(self.half_spread_bps),
            impact_coefficient=float(self.impact_coefficient),
            participation_frac=float(self.participation_frac),
            entry_frac=1e-4 * self.entry_threshold_bps,
            exit_frac=1e-4 * self.exit_edge_bps,
            full_sigmas=float(self.full_conviction_sigmas),
            horizon_root=math.sqrt(self.horizon_bars),
            min_confidence=float(self.min_confidence),
            max_age_bars=float(self.prediction_ttl_bars),
            allow_short=bool(self.allow_short),
            volatility_target=target / math.sqrt(self.periods_per_year),
            volatility_alpha=1.0 - 0.5 ** (1.0 / self.volatility_halflife_bars),
            volatility_warmup=float(self.volatility_warmup_bars),
            needs_volatility=needs_volatility or policy is not None,
            opens_unmeasured=not needs_volatility,
            taper_start=float(self.taper_start_frac),
            taper_stop=float(self.taper_stop_frac),
            taper_floor=float(self.taper_floor_frac),
            risk_budget=float(self.risk_budget),
            max_single=float(self.max_single_weight),
            max_gross=float(min(self.max_gross_exposure, self.max_leverage)),
            max_turnover=float(self.max_turnover),
            band=float(self.rebalance_band_frac),
            is_static=not sized and not with_confidence and policy is None,
            min_notional=float(self.min_notional_quote),
            is_perpetual=self.is_perpetual,
            has_holding_cost=self.is_perpetual or (self.allow_short and self.borrow_bps_per_day > 0.0),
            borrow_frac=1e-4 * self.borrow_bps_per_day * 365.0 / self.periods_per_year,
            missing_funding_frac=1e-4 * self.missing_funding_bps,
            maintenance_frac=float(self.maintenance_margin_frac),
            liquidation_fee_frac=1e-4 * self.liquidation_fee_bps,
            policy=policy,
        )

    def _must(self, holds: bool, name: str, limit: str) -> None:
        if not holds:
            raise InputError(f"{name} must be {limit}, was {getattr(self, name)}")


def params_for(
    interval: Interval, horizon_bars: int, **changes: Any
) -> ReplayParams:  # Any: values of any field
    """Make parameters for bars of one interval.

    Parameters
    ----------
    interval
        Of the bars to be replayed; sets the periods per year.
    horizon_bars
        How far ahead the predictions look, at least 1.
    **changes
        Parameters other than the default, by field name.

    Returns
    -------
    ReplayParams
        Checked.

    Raises
    ------
    InputError
        If a name is no parameter or a value is out of range.
    """
    unknown = sorted(changes.keys() - {field.name for field in dataclasses.fields(ReplayParams)})
    if unknown:
        raise InputError(f"replay parameters must be known ones, was {unknown[0]!r}")
    given = {"periods_per_year": interval.periods_per_year, "horizon_bars": horizon_bars, **changes}
    return ReplayParams(**given)


def params_from(document: Mapping[str, Any]) -> ReplayParams:
    """Read parameters back from what `ReplayParams.document` wrote."""
    values = dict(document)
    if values["participation_frac"] is None:
        values["participation_frac"] = math.inf
    if "market" in values:
        values["market"] = Market(values["market"])
    return ReplayParams(**values)


def shown_params(document: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten what `ReplayParams.document` wrote, in their order; a policy's stand in the place of the rule's."""
    policy = document.get("policy")
    hidden = {"policy"} if policy is None else {"policy", *SIGNAL_PARAMS}
    names = [one.name for one in dataclasses.fields(ReplayParams)]
    own = {name: document[name] for name in names if name in document and name not in hidden}
    return own | {POLICY_PREFIX + name: value for name, value in (policy or {}).items()}
