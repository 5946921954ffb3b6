"""Numbers as readers expect them. What is missing, NaN or infinite reads as a dash, never as zero."""

import math
from collections.abc import Callable

from marketsentry.reports.facts import Lang
from marketsentry.reports.scales import moment

MISSING = "—"
MINUS = "\u2212"

FRACTIONS = frozenset(
    {
        "hit_rate",
        "pnl_after_cost",
        "max_drawdown",
        "volatility",
        "exposure",
        "lineage_coverage",
        "max_single_weight",
        "max_gross_exposure",
        "max_turnover",
        "max_sector_exposure",
        "max_style_exposure",
        "risk_budget",
        "fee",
        "slippage",
        "impact",
        "funding",
        "shortfall",
        "participation",
    }
)
COUNTS = frozenset(
    {
        "leaks",
        "canary_caught",
        "batch_equals_stream",
        "warmup_violations",
        "trades",
        "samples",
        "folds",
        "targets",
        "periods_per_year",
        "liquidations",
        "funding_gaps",
    }
)


def is_known(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


def percent(value: float | None, *, digits: int = 2, signed: bool = False) -> str:
    """A fraction in percent."""
    if value is None or not math.isfinite(value):
        return MISSING
    return _signed(value * 100, f",.{digits}f", signed) + "%"


def number(value: float | None, *, digits: int = 3, signed: bool = False) -> str:
    """A plain number with fixed digits, and powers of ten where fixed digits would hide it."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value != 0 and (abs(value) < 0.5 * 10.0**-digits or abs(value) >= 1e9):
        return _signed(value, ".2e", signed)
    return _signed(value, f",.{digits}f", signed)


def count(value: float | None) -> str:
    """A whole number."""
    return MISSING if value is None or not math.isfinite(value) else _signed(round(value), ",d", False)


def money(value: float | None, *, signed: bool = False) -> str:
    """An amount in quote currency: cents below a thousand, whole units above, millions abbreviated."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    if abs(value) >= 1e7:
        return _signed(value / 1e6, ",.1f", signed) + "M"
    return _signed(value, ",.0f" if abs(value) >= 1000 else ",.2f", signed)


def price(value: float | None) -> str:
    """A price with six significant digits, at least cents: 42,123.50, 0.0812345."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    digits = min(max(5 - math.floor(math.log10(abs(value))), 2), 12)
    return _signed(value, f",.{digits}f", False)


def plain_tick(ticks: tuple[float, ...]) -> Callable[[float], str]:
    """Write the ticks of an axis with as many digits as they need to be told apart."""
    digits = next(
        (d for d in range(9) if all(abs(t * 10**d - round(t * 10**d)) < 1e-6 for t in ticks)),
        9,
    )
    return lambda value: _signed(value, f",.{digits}f", False)


def percent_tick(ticks: tuple[float, ...]) -> Callable[[float], str]:
    """Write the ticks of an axis of fractions in percent, with digits only where they say something."""
    scaled = plain_tick(tuple(one * 100 for one in ticks))
    return lambda value: scaled(value * 100) + "%"


def measure(name: str, value: float | None) -> str:
    """A value in the unit that its name tells: `_frac`, `_share` and known ratios in percent, `_bps`, counts, plain."""
    if not is_known(value):
        return MISSING
    name = name.partition("[")[0]
    if name in FRACTIONS or name.endswith(("_frac", "_share")):
        return percent(value)
    if name.endswith("_bps"):
        return number(value, digits=2) + " bps"
    if name in COUNTS or name.startswith("n_") or name.endswith("_bars"):
        return count(value)
    if name.endswith("_quote"):
        return money(value)
    return number(value)


def brief(name: str, value: float | None) -> str:
    """A chosen value, such as a limit, without digits that say nothing: 0.500 reads 0.5, 20.00% reads 20%."""
    text = measure(name, value)
    unit = next((u for u in ("%", " bps") if text.endswith(u)), "")
    digits = text.removesuffix(unit)
    if "." in digits and digits.replace(".", "").replace(",", "").lstrip(MINUS).isdigit():
        digits = digits.rstrip("0").rstrip(".")
    return digits + unit


def minute(ts_ns: int) -> str:
    """A moment to the minute, UTC."""
    return moment(ts_ns).strftime("%Y-%m-%d %H:%M")


def day(ts_ns: int) -> str:
    """The UTC day of a moment."""
    return moment(ts_ns).strftime("%Y-%m-%d")


MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def tick_time(ts_ns: int, grain: str, lang: Lang) -> str:
    """The label of a time tick of the given grain: time, day, month or year."""
    at = moment(ts_ns)
    if grain == "year":
        return f"{at.year}"
    if grain == "month":
        return f"{at.year}年{at.month}月" if lang is Lang.ZH else f"{MONTHS_EN[at.month - 1]} {at.year}"
    date = f"{at.month}月{at.day}日" if lang is Lang.ZH else f"{at.day} {MONTHS_EN[at.month - 1]}"
    if grain == "day" or (at.hour == 0 and at.minute == 0):
        return date
    return f"{at.hour:02d}:{at.minute:02d}"


def _signed(value: float, form: str, signed: bool) -> str:
    text = format(abs(value), form)
    is_zero = not any(c in "123456789" for c in text)
    if value < 0 and not is_zero:
        return MINUS + text
    return "+" + text if signed and not is_zero else text
