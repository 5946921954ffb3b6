"""The codes of risk (contract 1.13): one builder for each, so that no code is spelled twice."""

from collections.abc import Iterable
from enum import StrEnum

GLOBAL = "global"
"""The reserved strategy id that means the whole track."""


class Rule(StrEnum):
    """What can be violated, in the order of the check."""

    BUCKET_EXPOSURE = "bucket_exposure"
    SINGLE_WEIGHT = "single_weight"
    GROSS_EXPOSURE = "gross_exposure"
    SECTOR_EXPOSURE = "sector_exposure"
    STYLE_EXPOSURE = "style_exposure"
    TURNOVER = "turnover"
    DRAWDOWN = "drawdown"
    DAILY_LOSS = "daily_loss"
    CONSECUTIVE_LOSS = "consecutive_loss"
    KILL_SWITCH = "kill_switch"


VOLATILITY_REASON = "abnormal_volatility_circuit_breaker"


def exceeded(rule: Rule, subject: str = "") -> str:
    """Name a limit that was exceeded, and by whom."""
    return f"{rule}_exceeded:{subject}" if subject else f"{rule}_exceeded"


def kill_switch_code(track: str, scope: str) -> str:
    """Name the switch that blocks: a strategy, or `global`."""
    return f"kill_switch_triggered:{track}:{scope}"


def volatility_code(target: str) -> str:
    """Name a target whose price moved too much."""
    return f"{VOLATILITY_REASON}:{target}"


def no_data_code(target: str) -> str:
    """Name a target of which too few or too old prices are known."""
    return f"insufficient_market_data:{target}"


def unproved_code(track: str, scope: str) -> str:
    """Name a scope that was to be flat and is not proved to be."""
    return f"flatten_unproved:{track}:{scope}"


def flattened_code(track: str, scope: str) -> str:
    """Name a scope of which the venue has said that it is flat."""
    return f"flattened:{track}:{scope}"


def blocked_detail(codes: Iterable[str]) -> str:
    """Join codes into the detail of an answer 423."""
    return "risk_blocked:" + ",".join(codes)
