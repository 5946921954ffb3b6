"""The leak test of a candidate: its features before a cut must not move when what comes after the cut does.

The test is itself tested. A canary, a feature made of the future label, is appended to the candidate's
features and must be caught; if it is not, the leak test proves nothing and the candidate fails. A third,
statistical look needs no re-run: forward returns of liquid coins are nearly noise, so an IC beyond a bound
is a sign of the future.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.features.check import Leak, check_features
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.core.gates.verdict import GateCheck, at_least, at_most
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.market.bars import CLOSE, BarPanel

CANARY = "canary_future_return"
MIN_WINDOW_BARS = 4_096
N_WINDOWS = 3
SURE_ERRORS = 3.0
LEAK_PROOFS = frozenset(
    {"leaks", "canary_caught", "batch_equals_stream", "warmup_violations", "ic_plausible"}
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LeakEvidence:
    """What the leak test saw in the candidate's features, and whether the canary was caught.

    `leaks` the first of each feature; `max_batch_stream_diff` and `n_mask_mismatches` how far the batch
    that trained is from the step that trades; `n_warmup_violations` features with a value where none may
    be; `n_cuts` futures changed.
    """

    leaks: tuple[Leak, ...]
    max_batch_stream_diff: float
    n_mask_mismatches: int
    n_warmup_violations: int
    is_deterministic: bool
    n_cuts: int
    canary_caught: bool


def run_leak_test(
    feature_set: FeatureSet,
    panel: BarPanel,
    inputs: ContextInputs,
    *,
    horizon_bars: int,
    rng: np.random.Generator,
) -> LeakEvidence:
    """Run the leak test of a candidate's features, and the test of that test.

    Parameters
    ----------
    feature_set
        The candidate's features.
    panel
        The bars it is trained on. A long panel is tested in its oldest, middle and newest part, each
        several times the longest warm-up, so that the memory needed does not grow with the history.
    inputs
        The other series behind its context.
    horizon_bars
        Horizon of its label, which the canary is made of.
    rng
        Draws cuts and changed futures.

    Returns
    -------
    LeakEvidence
    """
    found: dict[str, Leak] = {}
    own = [check_features(feature_set, part, inputs, rng=rng) for part in _parts(panel, feature_set)]
    for leak in (leak for check in own for leak in check.leaks):
        if leak.feature not in found or leak.bar_ts_ns < found[leak.feature].bar_ts_ns:
            found[leak.feature] = leak
    newest = panel.window(max(0, panel.n_bars - MIN_WINDOW_BARS), panel.n_bars)
    canary = check_features(WithCanary(feature_set, horizon_bars), newest, inputs, rng=rng, n_cuts=1)
    return LeakEvidence(
        leaks=tuple(found.values()),
        max_batch_stream_diff=max(check.max_batch_stream_diff for check in own),
        n_mask_mismatches=sum(check.n_mask_mismatches for check in own),
        n_warmup_violations=len({v.feature for check in own for v in check.warmup_violations}),
        is_deterministic=all(check.is_deterministic and check.is_within_bounds for check in own),
        n_cuts=sum(len(check.cut_ts_ns) for check in own),
        canary_caught=any(leak.feature == CANARY for leak in canary.leaks),
    )


@dataclass(frozen=True, slots=True)
class MeasuredIc:
    """An out-of-sample information coefficient and how many independent samples are behind it; None: undefined."""

    value: float | None
    n_independent_samples: int


def leak_checks(
    evidence: LeakEvidence, ics: Sequence[MeasuredIc], *, max_plausible_ic: float
) -> tuple[GateCheck, ...]:
    """Turn evidence into named checks; the first leak is told with its feature, bar and both values.

    Parameters
    ----------
    evidence
        What the leak test saw.
    ics
        Out-of-sample information coefficients; the size of each, less what chance explains, must be plausible.
    max_plausible_ic
        Bound on that size.

    Returns
    -------
    tuple of GateCheck
        `leaks`, `canary_caught`, `batch_equals_stream`, `warmup_violations`, and `ic_plausible` where an IC is known.
    """
    return (*leak_test_checks(evidence), *ic_check(ics, max_plausible_ic=max_plausible_ic))


def leak_test_checks(evidence: LeakEvidence) -> tuple[GateCheck, ...]:
    """What the leak test itself saw, without the look at the IC."""
    told = describe_leak(evidence.leaks[0]) if evidence.leaks else ""
    if len(evidence.leaks) > 1:
        n_more = len(evidence.leaks) - 1
        told += f"; and {n_more} more {'feature' if n_more == 1 else 'features'}"
    canary = "" if evidence.canary_caught else "the leak test missed a feature made of the future label"
    exact = (
        evidence.is_deterministic and evidence.max_batch_stream_diff == 0 and not evidence.n_mask_mismatches
    )
    differs = (
        f"largest difference {evidence.max_batch_stream_diff:.3g}, "
        f"{evidence.n_mask_mismatches} cells known to one of them only"
    )
    return (
        at_most("leaks", len(evidence.leaks), 0, told),
        at_least("canary_caught", float(evidence.canary_caught), 1, canary),
        at_least("batch_equals_stream", float(exact), 1, "" if exact else differs),
        at_most("warmup_violations", evidence.n_warmup_violations, 0),
    )


def ic_check(ics: Sequence[MeasuredIc], *, max_plausible_ic: float) -> tuple[GateCheck, ...]:
    """Bound the largest IC, each taken three standard errors towards zero: a short history may be lucky."""
    known = [(abs(one.value), one.n_independent_samples) for one in ics if one.value is not None]
    if not known:
        return ()
    sure = [
        max(size - SURE_ERRORS / math.sqrt(max(n, 1)), 0.0) if not math.isnan(size) else size
        for size, n in known
    ]
    worst = float(np.max(sure))  # unlike max(), NaN stays NaN and fails
    told = "out-of-sample IC, less three standard errors, beyond what markets allow"
    return (at_most("ic_plausible", worst, max_plausible_ic, "" if worst <= max_plausible_ic else told),)


def leak_document(leak: Leak) -> dict[str, Any]:
    """Give a leak as plain values for JSON; a value that is missing is None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(leak).items()
    }


def describe_leak(leak: Leak) -> str:
    """Tell a leak in words: which feature, at which bar, and its value with and without the future."""
    opened_at = datetime.fromtimestamp(leak.bar_ts_ns / 1e9, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"feature {leak.feature} of {leak.symbol} at bar {opened_at} is {leak.value_with_future:.6g} with "
        f"the future known and {leak.value_without_future:.6g} without"
    )


class WithCanary:
    """A feature set with one more column, which its batch takes from the future; its step cannot know it."""

    def __init__(self, inner: FeatureSet, horizon_bars: int) -> None:
        self._inner = inner
        self._horizon_bars = horizon_bars
        canary = FeatureDef(CANARY, "the label itself, from the future", "fraction", 0, "bars", "last bars")
        self.schema = FeatureSchema(inner.schema.version, (*inner.schema.features, canary))

    def new_state(self, n_symbols: int, /) -> Floats:
        """Give the state of the inner set."""
        return self._inner.new_state(n_symbols)

    def step(self, state: Floats, bar: Floats, ts_ns: int, context: Floats, out: Floats, /) -> None:
        """Step the inner set; the canary is unknown as of the bar."""
        own = np.empty((out.shape[0], out.shape[1] - 1))
        self._inner.step(state, bar, ts_ns, context, own)
        out[:, :-1] = own
        out[:, -1] = np.nan

    def batch(
        self, state: Floats, bars: Floats, ts_ns: NDArray[np.int64], context: Floats, out: Floats, /
    ) -> None:
        """Run the inner batch; the canary is the forward return."""
        own = np.empty((*out.shape[:2], out.shape[2] - 1))
        self._inner.batch(state, bars, ts_ns, context, own)
        out[:, :, :-1] = own
        out[:, :, -1] = forward_return(np.ascontiguousarray(bars[:, :, CLOSE]), self._horizon_bars)


def _parts(panel: BarPanel, feature_set: FeatureSet) -> list[BarPanel]:
    """Cut a long panel into its oldest, middle and newest part; a short one is one part."""
    length = max(MIN_WINDOW_BARS, 3 * feature_set.schema.max_lookback_bars)
    if panel.n_bars <= N_WINDOWS * length:
        return [panel]
    last = panel.n_bars - length
    return [panel.window(start, start + length) for start in (0, last // 2, last)]
