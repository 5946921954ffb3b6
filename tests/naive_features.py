"""Slow versions of the built-in features that are obviously right: each looks at its window and nothing else.

`bars` (n, 5) are the whole bars of one symbol since its last lost bar, the current one last.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Bars = NDArray[np.float64]


def opens(bars: Bars) -> Bars:
    return bars[:, 0]


def highs(bars: Bars) -> Bars:
    return bars[:, 1]


def lows(bars: Bars) -> Bars:
    return bars[:, 2]


def closes(bars: Bars) -> Bars:
    return bars[:, 3]


def volumes(bars: Bars) -> Bars:
    return bars[:, 4]


def log_returns(bars: Bars) -> Bars:
    return np.log(closes(bars)[1:] / closes(bars)[:-1])


def over(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else math.nan


def ret(k: int) -> Callable[[Bars], float]:
    return lambda b: closes(b)[-1] / closes(b)[-1 - k] - 1


def vol(w: int) -> Callable[[Bars], float]:
    return lambda b: float(np.std(log_returns(b)[-w:]))


def vol_z(b: Bars) -> float:
    before = volumes(b)[-13:-1]
    return (volumes(b)[-1] - before.mean()) / max(before.std(), 1e-6)


def trend(w: int) -> Callable[[Bars], float]:
    def twin(b: Bars) -> float:
        r = log_returns(b)[-w:]
        return r.mean() / r.std() * math.sqrt(w) if r.std() > 1e-12 else math.nan

    return twin


def efficiency(b: Bars) -> float:
    r = log_returns(b)[-24:]
    return over(r.sum(), np.abs(r).sum())


def apart(a: float, b: float) -> float:
    return (a - b) / (a + b) if a + b > 0 else math.nan


def parkinson(w: int) -> Callable[[Bars], float]:
    return lambda b: math.sqrt((np.log(highs(b) / lows(b))[-w:] ** 2).mean() / (4 * math.log(2)))


def garman_klass(w: int) -> Callable[[Bars], float]:
    def twin(b: Bars) -> float:
        hl, co = np.log(highs(b) / lows(b))[-w:], np.log(closes(b) / opens(b))[-w:]
        return math.sqrt(np.maximum(0.5 * hl**2 - (2 * math.log(2) - 1) * co**2, 0).mean())

    return twin


def rogers_satchell(w: int) -> Callable[[Bars], float]:
    def twin(b: Bars) -> float:
        o, h, lo, c = opens(b)[-w:], highs(b)[-w:], lows(b)[-w:], closes(b)[-w:]
        term = np.log(h / c) * np.log(h / o) + np.log(lo / c) * np.log(lo / o)
        return math.sqrt(np.maximum(term, 0).mean())

    return twin


def downside_share(b: Bars) -> float:
    r = log_returns(b)[-48:]
    return over((r[r < 0] ** 2).sum() - (r[r > 0] ** 2).sum(), (r**2).sum())


def jump_share(b: Bars) -> float:
    r = log_returns(b)
    products = np.abs(r[1:] * r[:-1])[-48:]
    squares = (r[-48:] ** 2).sum()
    return 1 - math.pi / 2 * products.sum() / squares if squares > 0 else math.nan


def channel(w: int) -> Callable[[Bars], float]:
    def twin(b: Bars) -> float:
        top, bottom = highs(b)[-w:].max(), lows(b)[-w:].min()
        return over(2 * closes(b)[-1] - top - bottom, top - bottom)

    return twin


def wilder(values: Bars) -> float:
    average = values[:14].mean()
    for value in values[14:]:
        average = (13 * average + value) / 14
    return float(average)


def rsi(b: Bars) -> float:
    change = np.diff(closes(b))
    gain, loss = wilder(np.maximum(change, 0)), wilder(np.maximum(-change, 0))
    return over(gain - loss, gain + loss)


def atr(b: Bars) -> float:
    before = closes(b)[:-1]
    span = np.maximum(highs(b)[1:], before) - np.minimum(lows(b)[1:], before)
    return wilder(span) / closes(b)[-1]


def ema_path(values: Bars, w: int) -> Bars:
    path = [values[:w].mean()]
    for value in values[w:]:
        path.append(path[-1] + 2 / (w + 1) * (value - path[-1]))
    return np.array(path)


def macd(b: Bars) -> tuple[float, float]:
    fast, slow = ema_path(closes(b), 12), ema_path(closes(b), 26)
    line = fast[-len(slow) :] - slow
    return line[-1] / closes(b)[-1], ema_path(line, 9)[-1] / closes(b)[-1]


def ma_dist(w: int) -> Callable[[Bars], float]:
    return lambda b: closes(b)[-1] / closes(b)[-w:].mean() - 1


def ema_dist(w: int) -> Callable[[Bars], float]:
    return lambda b: closes(b)[-1] / ema_path(closes(b), w)[-1] - 1


def bollinger(b: Bars) -> float:
    window = closes(b)[-20:]
    return (
        (window[-1] - window.mean()) / (2 * window.std()) if window.std() > 1e-12 * window[-1] else math.nan
    )


def drawdown(w: int) -> Callable[[Bars], float]:
    return lambda b: 1 - closes(b)[-1] / highs(b)[-w:].max()


def moment(k: int, shift: float) -> Callable[[Bars], float]:
    def twin(b: Bars) -> float:
        r = log_returns(b)[-96:]
        if r.std() <= 1e-12:
            return math.nan
        return ((r - r.mean()) ** k).mean() / r.std() ** k - shift

    return twin


def up_share(w: int) -> Callable[[Bars], float]:
    return lambda b: np.sign(log_returns(b)[-w:]).mean()


def lagged(b: Bars, w: int) -> tuple[Bars, Bars]:
    r = log_returns(b)
    return r[-w:], r[-w - 1 : -1]


def autocorr(w: int) -> Callable[[Bars], float]:
    def twin(b: Bars) -> float:
        now, before = lagged(b, w)
        if now.std() * before.std() <= 1e-24:
            return math.nan
        return ((now - now.mean()) * (before - before.mean())).mean() / (now.std() * before.std())

    return twin


def roll(w: int) -> Callable[[Bars], float]:
    def twin(b: Bars) -> float:
        now, before = lagged(b, w)
        return 2 * math.sqrt(max(-((now - now.mean()) * (before - before.mean())).mean(), 0))

    return twin


def volume_z(b: Bars) -> float:
    window = np.log(1 + volumes(b)[-48:])
    return (window[-1] - window.mean()) / window.std() if window.std() > 1e-12 else math.nan


def amihud(b: Bars, w: int) -> float:
    moves, value = np.abs(log_returns(b))[-w:], (volumes(b) * closes(b))[-w:]
    traded = volumes(b)[-w:] > 0
    return float((moves[traded] / value[traded]).mean()) if traded.any() else math.nan


def corwin_schultz(w: int) -> Callable[[Bars], float]:
    def one(b: Bars, t: int) -> float:
        h, lo = highs(b), lows(b)
        beta = math.log(h[t] / lo[t]) ** 2 + math.log(h[t - 1] / lo[t - 1]) ** 2
        gamma = math.log(max(h[t], h[t - 1]) / min(lo[t], lo[t - 1])) ** 2
        k = 3 - 2 * math.sqrt(2)
        alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k)
        return max(2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha)), 0.0)

    return lambda b: float(np.mean([one(b, len(b) - w + k) for k in range(w)]))


def signed_volume(b: Bars) -> float:
    sign = np.sign(log_returns(b)[-24:])
    return over((sign * volumes(b)[-24:]).sum(), volumes(b)[-24:].sum())


def vwap_dist(b: Bars) -> float:
    typical = ((highs(b) + lows(b) + closes(b)) / 3)[-24:]
    traded = (typical * volumes(b)[-24:]).sum()
    return closes(b)[-1] * volumes(b)[-24:].sum() / traded - 1 if traded > 0 else math.nan


TWINS: dict[str, Callable[[Bars], float]] = {
    **{f"ret_{k}": ret(k) for k in (1, 3, 6, 12, 24, 48, 96, 288)},
    **{f"vol_{w}": vol(w) for w in (3, 12, 24, 48, 96, 288)},
    "log_volume": lambda b: math.log(1 + volumes(b)[-1]),
    "vol_z": vol_z,
    "volume_impact": lambda b: abs(ret(1)(b)) / max(math.sqrt(max(volumes(b)[-1], 1)), 1e-6),
    "trend_24": trend(24),
    "trend_96": trend(96),
    "efficiency_24": efficiency,
    "vol_ratio_12_96": lambda b: apart(vol(12)(b), vol(96)(b)),
    **{f"parkinson_{w}": parkinson(w) for w in (12, 48)},
    **{f"garman_klass_{w}": garman_klass(w) for w in (12, 48)},
    **{f"rogers_satchell_{w}": rogers_satchell(w) for w in (12, 48)},
    "downside_share_48": downside_share,
    "jump_share_48": jump_share,
    "close_in_range": channel(1),
    "rsi_14": rsi,
    "macd_line": lambda b: macd(b)[0],
    "macd_signal": lambda b: macd(b)[1],
    "macd_hist": lambda b: macd(b)[0] - macd(b)[1],
    **{f"ma_dist_{w}": ma_dist(w) for w in (7, 30, 96)},
    **{f"ema_dist_{w}": ema_dist(w) for w in (12, 26)},
    "bollinger_20": bollinger,
    "bollinger_width_20": lambda b: 4 * closes(b)[-20:].std() / closes(b)[-20:].mean(),
    "atr_14": atr,
    **{f"donchian_{w}": channel(w) for w in (24, 96)},
    **{f"drawdown_{w}": drawdown(w) for w in (96, 288)},
    "skew_96": moment(3, 0.0),
    "kurt_96": moment(4, 3.0),
    **{f"up_share_{w}": up_share(w) for w in (24, 96)},
    **{f"autocorr_{w}": autocorr(w) for w in (24, 96)},
    "volume_z_48": volume_z,
    "volume_ratio_12_96": lambda b: apart(volumes(b)[-12:].mean(), volumes(b)[-96:].mean()),
    "amihud_ratio_12_96": lambda b: apart(amihud(b, 12), amihud(b, 96)),
    "amihud_ratio_48_288": lambda b: apart(amihud(b, 48), amihud(b, 288)),
    **{f"corwin_schultz_{w}": corwin_schultz(w) for w in (24, 96)},
    **{f"roll_{w}": roll(w) for w in (24, 96)},
    "signed_volume_24": signed_volume,
    "vwap_dist_24": vwap_dist,
}


def rank(value: float, others: Bars) -> float:
    """Centred rank of `value` among `others`, which include it; NaN are not counted."""
    known = others[~np.isnan(others)]
    if math.isnan(value) or known.size < 2:
        return math.nan
    return ((known < value).sum() + 0.5 * (known == value).sum()) / known.size - 0.5
