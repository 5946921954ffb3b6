"""May a model answer on this row? The reasons to abstain, in the order in which they are looked for (K-64).

A missing feature is something a model knows only if it was trained on rows without it: a feature that was there in
all but `MAX_UNLEARNED_FRAC` of the training rows, and is missing now, is a lost input and not data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.features.schema import FeatureSchema
from marketsentry.core.market.interval import NS_PER_S, Interval
from marketsentry.core.market.timestamps import utc_text
from marketsentry.core.serving.answer import Reason, Why
from marketsentry.exceptions import InputError

CONTRACT_WARMUP_BARS = 96
"""Bars before the current one without which the contract's fields are not there (contract 4.1)."""
MAX_UNLEARNED_FRAC = 0.01
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ServedRow:
    """The newest bar of a target and what is known of its universe then.

    `event_time_ns` is the end of the bar; `values` (F,) its features, NaN = missing; `n_bars` counts whole bars up to
    and with it, without loss between. `late` names the symbols whose bar of that time is not there although they
    trade. `missing_frac` (F,) is the share of training rows that lacked each feature, NaN where there were no rows.
    """

    event_time_ns: int
    values: NDArray[np.float64]
    n_bars: int
    late: tuple[str, ...]
    missing_frac: NDArray[np.float64]


def needed_bars(schema: FeatureSchema) -> int:
    """Count the bars without which nothing is predicted: the longest warm-up, or the contract's if that is less."""
    return min(schema.max_lookback_bars, CONTRACT_WARMUP_BARS) + 1


def judge_row(
    row: ServedRow,
    schema: FeatureSchema,
    interval: Interval,
    *,
    as_of_ns: int,
    stale_after_bars: int,
    accepts_missing: bool,
) -> Why | None:
    """Find the first reason not to predict on a row.

    Parameters
    ----------
    row : ServedRow
        What would be predicted on.
    schema : FeatureSchema
        Of its values.
    interval : Interval
        Bar length.
    as_of_ns : int
        Now, UTC epoch ns.
    stale_after_bars : int
        A bar that ended longer ago than this many bars is stale.
    accepts_missing : bool
        Whether the model takes missing features at all.

    Returns
    -------
    Why or None
        None when the model may answer.
    """
    age_ns = as_of_ns - row.event_time_ns
    limit_ns = stale_after_bars * interval.ns
    if not 0 <= age_ns <= limit_ns:
        return Why(
            Reason.STALE_INPUTS,
            f"the newest {interval} bar ended {utc_text(row.event_time_ns)}, "
            f"{age_ns // NS_PER_S} s ago; must be at most {limit_ns // NS_PER_S} s",
        )
    if row.n_bars < needed_bars(schema):
        return Why(
            Reason.INSUFFICIENT_BARS,
            f"features need {needed_bars(schema)} {interval} bars without a loss, there are {row.n_bars}",
        )
    if row.late:
        return Why(Reason.UNIVERSE_LATE, f"the {interval} bar of {', '.join(row.late)} is not there yet")
    lost = lost_features(row, schema.names, accepts_missing=accepts_missing)
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        return Why(
            Reason.MISSING_FEATURES,
            f"{', '.join(lost[:_SHOWN])}{more} missing; at least {MAX_UNLEARNED_FRAC:.0%} of the training rows "
            "must have lacked a feature that may be missing",
        )
    return None


def lost_features(row: ServedRow, names: Sequence[str], *, accepts_missing: bool) -> tuple[str, ...]:
    """Name the missing features that the model never learned to do without."""
    unlearned = (
        ~(row.missing_frac >= MAX_UNLEARNED_FRAC) if accepts_missing else np.ones(len(names), np.bool_)
    )
    lost = np.isnan(row.values) & unlearned
    if not lost.any():
        return ()
    return tuple(name for name, is_lost in zip(names, lost, strict=True) if is_lost)


def vol_forecast(expected_return: float) -> float:
    """Contract 4.6: max(0.01, 0.02 + 4 abs(r))."""
    return max(0.01, 0.02 + 4.0 * abs(expected_return))


def signal_confidence(vol: float) -> float:
    """Contract 4.6: 0.75 - 4 vol, within 0.35..0.95."""
    if not math.isfinite(vol):
        raise InputError(f"vol must be finite, was {vol}")
    return min(max(0.75 - 4.0 * vol, 0.35), 0.95)
