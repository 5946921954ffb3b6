"""The news stream of the synthetic market: what happens, when it is known, and what it does to the price.

Per symbol and event type, the number of events in a bar is Poisson with the daily rate of `NEWS_TYPES`. An
event has a source tier (1 best), an importance I ~ Beta(2, 3), and is known `latency` after it happened
(log-normal, median by tier). With tone q of its type (+1 good, -1 bad, 0 neutral):

- at once, in the bar in which it happens: a log return of ``q I 60 bps (0.5 + U)``, U uniform, whatever the
  signal strength;
- afterwards, from the first bar that opens at or after `known_at`: a drift that decays with a half-life of
  `DRIFT_HALF_LIFE_H` hours and adds up to ``signal_strength q I DRIFT_FRAC``. This part can be traded.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import NS_PER_S, Interval
from marketsentry.core.market.synthetic_streams import stream
from marketsentry.kernels.synthetic import decaying_sum

REACTION_FRAC = 0.006
DRIFT_FRAC = 0.012
DRIFT_HALF_LIFE_H = 3.0
TIER_SHARES = (0.3, 0.4, 0.3)
TIER_LATENCY_S = (20.0, 120.0, 600.0)
TIER_CONFIDENCE = (0.9, 0.7, 0.5)
TIER_SOURCES = ("Synthetic Wire", "Synthetic Daily", "Synthetic Forum")


@dataclass(frozen=True, slots=True)
class NewsType:
    """One event type: how often it happens, what it does to the price, and how it is worded."""

    name: str
    tone: float
    per_day: float
    headlines: tuple[str, ...]


NEWS_TYPES = (
    NewsType(
        "funding",
        1.0,
        0.25,
        (
            "{s} developer studio raises {n} million in new round",
            "Fund commits {n} million to the {s} ecosystem",
            "{s} grants programme receives {n} million",
        ),
    ),
    NewsType(
        "mna",
        1.0,
        0.12,
        ("Payments group buys {s} wallet maker for {n} million", "{s} infrastructure firms agree to merge"),
    ),
    NewsType(
        "product",
        0.7,
        0.5,
        (
            "{s} network upgrade goes live at height {n}00000",
            "New settlement service launches on {s}",
            "{s} client release {n} cuts fees",
        ),
    ),
    NewsType(
        "regulatory",
        -1.0,
        0.3,
        (
            "Regulator opens inquiry into {s} products",
            "Court restricts {s} derivatives, fine of {n} million",
            "Exchange told to halt {s} deposits",
        ),
    ),
    NewsType(
        "market",
        0.0,
        1.5,
        (
            "{s} turnover near {n}-day average",
            "Analysts divided on {s} after quiet session",
            "{s} options open interest changes by {n} percent",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class SyntheticEvent:
    """One headline. Times are UTC epoch ns; `known_at_ns` is when a reader could first have read it."""

    event_time_ns: int
    known_at_ns: int
    symbol: str
    event_type: str
    title: str
    source_name: str
    tier: int
    confidence: float
    importance: float
    novelty: float


@dataclass(frozen=True, slots=True)
class News:
    """The events of one symbol, oldest first, and their effect on its log price, per bar (n_bars,)."""

    events: tuple[SyntheticEvent, ...]
    reaction: NDArray[np.float64]
    drift: NDArray[np.float64]


def draw_news(
    *, seed: int, symbol: str, interval: Interval, ts_ns: NDArray[np.int64], drift_decay: float
) -> News:
    """Draw the headlines of one symbol.

    Parameters
    ----------
    seed
        Market seed.
    symbol
        Canonical symbol.
    interval
        Bar length.
    ts_ns
        Shape (n_bars,). Bar open times, UTC epoch ns.
    drift_decay
        Factor by which the drift of an event shrinks from one bar to the next, in (0, 1).

    Returns
    -------
    News
        `reaction` and `drift` are log returns per bar; `drift` is at signal strength 1.
    """
    events: list[SyntheticEvent] = []
    reaction = np.zeros(ts_ns.size)
    impulse = np.zeros(ts_ns.size)
    for kind in NEWS_TYPES:
        drawn, size = _draw_type(kind, seed=seed, symbol=symbol, interval=interval, ts_ns=ts_ns)
        events.extend(drawn)
        if kind.tone:
            happened = np.array([e.event_time_ns for e in drawn], dtype=np.int64)
            known = np.array([e.known_at_ns for e in drawn], dtype=np.int64)
            weight = kind.tone * np.array([e.importance for e in drawn])
            np.add.at(reaction, (happened - ts_ns[0]) // interval.ns, weight * REACTION_FRAC * size)
            first = -((ts_ns[0] - known) // interval.ns)
            inside = first < ts_ns.size
            np.add.at(impulse, first[inside], weight[inside] * DRIFT_FRAC * (1 - drift_decay))
    events.sort(key=lambda e: (e.event_time_ns, e.event_type, e.title))
    return News(tuple(events), reaction, decaying_sum(impulse, drift_decay))


def _draw_type(
    kind: NewsType, *, seed: int, symbol: str, interval: Interval, ts_ns: NDArray[np.int64]
) -> tuple[list[SyntheticEvent], NDArray[np.float64]]:
    """Events of one type with the size factor (0.5 + U) of their reaction, one stream per attribute."""
    name = f"news/{symbol}/{kind.name}"
    per_bar = stream(seed, f"{name}/count").poisson(kind.per_day / interval.bars_per_day, ts_ns.size)
    bars = np.repeat(np.arange(ts_ns.size), per_bar)
    u = {
        part: stream(seed, f"{name}/{part}").random(bars.size)
        for part in ("time", "tier", "headline", "size", "novelty", "trust")
    }
    tier = np.minimum(np.searchsorted(np.cumsum(TIER_SHARES), u["tier"], side="right"), 2)
    importance = np.round(np.maximum(stream(seed, f"{name}/importance").beta(2, 3, bars.size), 0.05), 2)
    latency_s = np.array(TIER_LATENCY_S)[tier] * np.exp(
        0.5 * stream(seed, f"{name}/latency").standard_normal(bars.size)
    )
    happened = ts_ns[bars] + (u["time"] * interval.seconds * 1_000).astype(np.int64) * 1_000_000
    known = happened + (latency_s * 1_000).astype(np.int64) * (NS_PER_S // 1_000)
    events = [
        SyntheticEvent(
            event_time_ns=int(happened[i]),
            known_at_ns=int(known[i]),
            symbol=symbol,
            event_type=kind.name,
            title=_headline(kind, symbol, float(u["headline"][i])),
            source_name=TIER_SOURCES[tier[i]],
            tier=int(tier[i]) + 1,
            confidence=round(TIER_CONFIDENCE[tier[i]] + 0.2 * (float(u["trust"][i]) - 0.5), 2),
            importance=float(importance[i]),
            novelty=round(0.2 + 0.8 * float(u["novelty"][i]), 2),
        )
        for i in range(bars.size)
    ]
    return events, 0.5 + u["size"]


def _headline(kind: NewsType, symbol: str, u: float) -> str:
    scaled = u * len(kind.headlines)
    return kind.headlines[int(scaled)].format(s=symbol, n=5 + int(95 * (scaled % 1)))
