"""A synthetic market with a known amount of predictability, for demos and tests without recorded data.

The equations, in full. One bar lasts ``dt`` hours; bar t opens at ``start + t dt``. All constants are fields
of `SyntheticParams`; ``s`` is the signal strength.

Regime
    ``R[t]`` in {calm, trending, stress} is a Markov chain shared by all symbols; state k is left with
    probability ``dt / mean_stay_h[k]`` per bar, for the next one by `_NEXT_REGIME`.
Volatility
    ``vol_i[t] = vol_year_i sqrt(dt / 8760) M[R[t]] exp(H[t] + H_i[t] - v/2) sqrt(season[t])``, where ``H``
    (common) and ``H_i`` are AR(1) (log-volatility half-lives of hours, so volatility clusters), ``v`` their
    joint variance, and ``season`` the time-of-day and weekend profile.
Shocks
    ``e_i[t] = b_i f[t] + sqrt(1 - b_i^2) g_i[t]`` with Student-t factor ``f`` and own part ``g_i`` of unit
    variance: symbols are correlated through ``b_i``.
Jumps
    Poisson, common and own, more often in stress, normal sizes; news reactions (see `synthetic_news`) come on
    top.
Predictable part
    ``z[t] = clip(r[t] / vol[t], -6, 6)``; ``m`` and ``q`` are the unit-variance AR(1) averages of ``z`` with
    half-lives `momentum_half_life_h` and `reversal_half_life_h`, both up to the close of bar t-1:
    ``drift_i[t] = vol_i[t] sqrt(dt) (k_m G[R[t]] tanh(m_i[t-1]) - k_r tanh(q_i[t-1])) + news_drift_i[t]``.
    The first term is slow momentum, the second fast mean reversion, the third the drift after news.
    Everything in it is visible in past bars and known events; nothing else in this market predicts a return.
Return
    ``r_i[t] = s drift_i[t] + vol_i[t] e_i[t] + jumps_i[t] + news_reaction_i[t]``; ``close[t] = close[t-1]
    exp(r[t])``.
Bar
    ``open[t] = close[t-1]``; high and low are the extremes of a Brownian bridge of volatility ``vol[t]`` from
    open to close (each with its exact law given open and close). Prices are rounded to five or six
    significant digits.
Volume
    quote turnover is ``daily_quote_i dt/24 season[t] (vol[t] / typical vol)^0.9 (0.6 + 0.4 |e[t]|)`` times
    log-normal AR(1) noise.
Funding
    every 8 hours ``1 bp + 3 bp tanh(return of the last 24 h / 4 %) + noise``, capped at +-7.5 bp.

With s = 0 the drift is exactly zero. The default s = 1 leaves a model of ordinary features a small edge after
5 bps fee and 3 bps half-spread. None of this is a claim about real markets.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import NS_PER_S, Interval
from marketsentry.core.market.records import FundingSeries
from marketsentry.core.market.symbols import SYNTHETIC_SOURCE, perp_of
from marketsentry.core.market.synthetic_news import DRIFT_HALF_LIFE_H, SyntheticEvent, draw_news
from marketsentry.core.market.synthetic_streams import stream
from marketsentry.exceptions import InputError
from marketsentry.kernels.synthetic import ar1, markov_path, returns_with_memory

GENERATOR_VERSION = 1  # counts changes of the equations: markets of two versions must not be joined
HOUR_NS = 3_600 * NS_PER_S
FUNDING_NS = 8 * HOUR_NS
DEFAULT_START_NS = 1_704_067_200 * NS_PER_S  # 2024-01-01T00:00Z

_NEXT_REGIME = ((0.0, 0.8, 0.2), (0.7, 0.0, 0.3), (0.4, 0.6, 0.0))
_KNOWN = {"BTC": (42_000.0, 0.50, 1.5e9), "ETH": (2_300.0, 0.62, 8e8), "SOL": (100.0, 0.85, 4e8)}


@dataclass(frozen=True, slots=True)
class SyntheticParams:
    """Constants of the module's equations, in their order. Tuples: calm, trending, stress."""

    mean_stay_h: tuple[float, float, float] = (72.0, 48.0, 8.0)
    regime_vol: tuple[float, float, float] = (0.75, 1.0, 2.0)
    log_vol_common_sd: float = 0.35
    log_vol_common_half_life_h: float = 12.0
    log_vol_own_sd: float = 0.20
    log_vol_own_half_life_h: float = 3.0
    shock_dof: float = 6.0
    common_jumps_per_day: tuple[float, float, float] = (0.05, 0.1, 1.0)
    own_jumps_per_day: tuple[float, float, float] = (0.1, 0.2, 1.5)
    jump_sd_frac: float = 0.008
    momentum_per_root_h: float = 0.18
    momentum_gain: tuple[float, float, float] = (0.9, 1.2, 0.6)
    momentum_half_life_h: float = 6.0
    reversal_per_root_h: float = 0.05
    reversal_half_life_h: float = 0.5
    volume_noise_sd: float = 0.35
    volume_noise_half_life_h: float = 1.0


@dataclass(frozen=True, slots=True)
class SyntheticMarket:
    """A synthetic market: bars, news, funding of each symbol's perpetual, and the truth behind them.

    `driver` (n_bars, n_symbols): the predictable log return of each bar at signal strength 1, known before
    the bar opens. `regime` (n_bars,): 0 calm, 1 trending, 2 stress.
    """

    series: tuple[BarSeries, ...]
    events: tuple[SyntheticEvent, ...]
    funding: tuple[FundingSeries, ...]
    driver: NDArray[np.float64]
    regime: NDArray[np.int64]


def make_market(
    *,
    seed: int,
    symbols: Sequence[str],
    interval: Interval,
    n_bars: int,
    start_ns: int = DEFAULT_START_NS,
    signal_strength: float = 1.0,
    params: SyntheticParams | None = None,
) -> SyntheticMarket:
    """Make a synthetic market; equal arguments give equal bytes.

    Parameters
    ----------
    seed
        At least 0.
    symbols
        Distinct canonical symbols; a symbol's own draws do not depend on the others.
    interval
        Bar length, at most one day.
    n_bars
        Number of bars, at least 1; a longer market begins with the shorter one.
    start_ns
        Open time of the first bar, UTC epoch ns, on the grid of `interval`.
    signal_strength
        0 = no predictability, 1 = a small tradable edge; at most 10.
    params
        Other constants than the documented ones.

    Returns
    -------
    SyntheticMarket
        One series per symbol in the given order, source `synthetic`; events oldest first.

    Raises
    ------
    InputError
        If an argument is outside the bounds above.
    """
    _check(seed, symbols, interval, n_bars, start_ns, signal_strength)
    world = _draw_world(seed, interval, n_bars, start_ns, params or SyntheticParams())
    made = [_draw_symbol(world, symbol, signal_strength) for symbol in symbols]
    events = sorted(
        (e for one in made for e in one.events), key=lambda e: (e.event_time_ns, e.symbol, e.title)
    )
    return SyntheticMarket(
        series=tuple(one.series for one in made),
        events=tuple(events),
        funding=tuple(one.funding for one in made),
        driver=np.column_stack([one.driver for one in made]),
        regime=world.regime,
    )


@dataclass(frozen=True, slots=True)
class _World:
    """What all symbols share; arrays (n_bars,)."""

    seed: int
    interval: Interval
    params: SyntheticParams
    ts_ns: NDArray[np.int64]
    regime: NDArray[np.int64]
    season: NDArray[np.float64]
    log_vol: NDArray[np.float64]
    factor: NDArray[np.float64]
    jumps: NDArray[np.float64]

    @property
    def dt_h(self) -> float:
        return self.interval.ns / HOUR_NS

    def decay(self, half_life_h: float) -> float:
        return float(0.5 ** (self.dt_h / half_life_h))

    def by_regime(self, values: tuple[float, ...]) -> NDArray[np.float64]:
        return np.array(values)[self.regime]


@dataclass(frozen=True, slots=True)
class _Drawn:
    series: BarSeries
    events: tuple[SyntheticEvent, ...]
    funding: FundingSeries
    driver: NDArray[np.float64]


def _draw_world(seed: int, interval: Interval, n_bars: int, start_ns: int, params: SyntheticParams) -> _World:
    dt_h = interval.ns / HOUR_NS
    ts_ns = start_ns + interval.ns * np.arange(n_bars, dtype=np.int64)
    leave = np.minimum(dt_h / np.array(params.mean_stay_h), 0.9)
    transition = np.diag(1 - leave) + leave[:, None] * np.array(_NEXT_REGIME)
    regime = markov_path(stream(seed, "regime").random(n_bars), transition)
    phi = 0.5 ** (dt_h / params.log_vol_common_half_life_h)
    return _World(
        seed=seed,
        interval=interval,
        params=params,
        ts_ns=ts_ns,
        regime=regime,
        season=_season(ts_ns),
        log_vol=params.log_vol_common_sd * ar1(stream(seed, "log_vol").standard_normal(n_bars), phi),
        factor=_unit_student(stream(seed, "factor"), params.shock_dof, n_bars),
        jumps=_jumps(
            seed, "jumps", np.array(params.common_jumps_per_day)[regime] * dt_h / 24, params.jump_sd_frac
        ),
    )


def _draw_symbol(world: _World, symbol: str, strength: float) -> _Drawn:
    params, seed, n_bars = world.params, world.seed, world.ts_ns.size
    price, vol_year, daily_quote, beta = _character(symbol)
    own = stream(seed, f"{symbol}/log_vol").standard_normal(n_bars)
    log_vol = world.log_vol + params.log_vol_own_sd * ar1(own, world.decay(params.log_vol_own_half_life_h))
    log_vol -= (params.log_vol_common_sd**2 + params.log_vol_own_sd**2) / 2
    typical = vol_year * np.sqrt(world.dt_h / 8_760)
    vol = typical * world.by_regime(params.regime_vol) * np.exp(log_vol) * np.sqrt(world.season)
    shock = _unit_student(stream(seed, f"{symbol}/shock"), params.shock_dof, n_bars)
    shock = beta * world.factor + np.sqrt(1 - beta**2) * shock
    rate = world.by_regime(params.own_jumps_per_day) * world.dt_h / 24
    jumps = beta * world.jumps + _jumps(seed, f"{symbol}/jumps", rate, params.jump_sd_frac)
    news = draw_news(
        seed=seed,
        symbol=symbol,
        interval=world.interval,
        ts_ns=world.ts_ns,
        drift_decay=world.decay(DRIFT_HALF_LIFE_H),
    )
    root_dt = np.sqrt(world.dt_h)
    returns, driver = returns_with_memory(
        vol,
        shock,
        jumps + news.reaction,
        news.drift,
        params.momentum_per_root_h * root_dt * world.by_regime(params.momentum_gain),
        np.full(n_bars, params.reversal_per_root_h * root_dt),
        world.decay(params.momentum_half_life_h),
        world.decay(params.reversal_half_life_h),
        strength,
    )
    ohlc = _ohlc(stream(seed, f"{symbol}/high"), stream(seed, f"{symbol}/low"), price, returns, vol)
    noise = ar1(
        stream(seed, f"{symbol}/volume").standard_normal(n_bars), world.decay(params.volume_noise_half_life_h)
    )
    quote = (
        daily_quote * world.dt_h / 24 * world.season * (vol / typical) ** 0.9 * (0.6 + 0.4 * np.abs(shock))
    )
    volume = np.round(quote * np.exp(params.volume_noise_sd * noise) / ohlc[:, 3], 6)
    values = np.column_stack([ohlc, np.maximum(volume, 1e-6)])
    return _Drawn(
        series=BarSeries(symbol, world.interval, SYNTHETIC_SOURCE, world.ts_ns, values),
        events=news.events,
        funding=_funding(world, symbol, np.cumsum(returns)),
        driver=driver,
    )


def _character(symbol: str) -> tuple[float, float, float, float]:
    """First price, yearly volatility, daily quote turnover and factor loading, the same for every seed."""
    rng = np.random.default_rng(zlib.crc32(symbol.encode()))
    price, vol_year, daily_quote = _KNOWN.get(
        symbol.partition("-")[0],
        (10.0 ** rng.uniform(-1, 2), rng.uniform(0.7, 1.1), 10.0 ** rng.uniform(7.3, 8.3)),
    )
    return price, vol_year, daily_quote, float(rng.uniform(0.65, 0.85))


def _season(ts_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Activity by time of day (peak at 15:00 UTC) and weekend, mean about 1."""
    day, ns_of_day = np.divmod(ts_ns, 24 * HOUR_NS)
    is_weekend = np.isin((day + 4) % 7, (0, 6))  # the epoch began on a Thursday
    profile = 1 + 0.35 * np.cos(2 * np.pi * (ns_of_day / HOUR_NS - 15) / 24)
    season: NDArray[np.float64] = profile * np.where(is_weekend, 0.7, 1.1)
    return season


def _unit_student(rng: np.random.Generator, dof: float, n: int) -> NDArray[np.float64]:
    drawn: NDArray[np.float64] = rng.standard_t(dof, n) * np.sqrt((dof - 2) / dof)
    return drawn


def _jumps(seed: int, name: str, rate: NDArray[np.float64], sd_frac: float) -> NDArray[np.float64]:
    happens = stream(seed, f"{name}/when").random(rate.size) < rate
    return np.where(happens, sd_frac * stream(seed, f"{name}/size").standard_normal(rate.size), 0.0)


def _ohlc(
    high_rng: np.random.Generator,
    low_rng: np.random.Generator,
    price: float,
    returns: NDArray[np.float64],
    vol: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Prices (n_bars, 4) of the bars: Brownian-bridge extremes around the path of closes."""
    close = np.log(price) + np.cumsum(returns)
    opened = np.concatenate(([np.log(price)], close[:-1]))
    up = (returns + np.sqrt(returns**2 - 2 * vol**2 * np.log1p(-high_rng.random(vol.size)))) / 2
    down = (returns - np.sqrt(returns**2 - 2 * vol**2 * np.log1p(-low_rng.random(vol.size)))) / 2
    high = np.maximum(opened + up, np.maximum(opened, close))
    low = np.minimum(opened + down, np.minimum(opened, close))
    decimals = 5 - int(np.floor(np.log10(price)))
    ohlc: NDArray[np.float64] = np.round(np.exp(np.column_stack([opened, high, low, close])), decimals)
    return np.maximum(ohlc, 10.0**-decimals, out=ohlc)


def _funding(world: _World, symbol: str, log_price: NDArray[np.float64]) -> FundingSeries:
    """Funding at each multiple of 8 h after the first bar closed, from closes known by then."""
    first = world.ts_ns[0] + world.interval.ns
    ts_ns = np.arange(
        -(-first // FUNDING_NS) * FUNDING_NS, world.ts_ns[-1] + world.interval.ns + 1, FUNDING_NS
    )
    last_closed = (ts_ns - world.ts_ns[0]) // world.interval.ns - 1
    day_before = np.maximum(last_closed - round(24 / world.dt_h), 0)
    trend = np.tanh((log_price[last_closed] - log_price[day_before]) / 0.04)
    noise = stream(world.seed, f"{symbol}/funding").standard_normal(ts_ns.size)
    rate = np.clip(1e-4 + 3e-4 * trend + 3e-5 * noise, -7.5e-4, 7.5e-4)
    return FundingSeries(perp_of(symbol), SYNTHETIC_SOURCE, ts_ns.astype(np.int64), np.round(rate, 8))


def _check(
    seed: int, symbols: Sequence[str], interval: Interval, n_bars: int, start_ns: int, strength: float
) -> None:
    if seed < 0:
        raise InputError(f"seed must be >= 0, was {seed}")
    if not symbols or len(set(symbols)) != len(symbols) or not all(symbols):
        raise InputError(f"symbols must be distinct and at least one, were {list(symbols)}")
    if interval.seconds > 86_400:
        raise InputError(f"interval of a synthetic market must be at most 1d, was {interval}")
    if n_bars < 1:
        raise InputError(f"n_bars must be >= 1, was {n_bars}")
    if start_ns % interval.ns:
        raise InputError(f"start_ns must be on the {interval} grid, was {start_ns}")
    if not 0 <= strength <= 10:
        raise InputError(f"signal_strength must be between 0 and 10, was {strength}")
