"""Features of a panel: one row a bar, one column a feature, for every symbol."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.features.context import ContextInputs, build_context
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.features.schema import FeatureSchema
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.market.interval import Interval
from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """`values` (T, N, F) float64, NaN = missing; `ts_ns` (T,) open times of the bars they describe.

    Row t is known at ``ts_ns[t] + interval.ns``, the close of its bar.
    """

    symbols: tuple[str, ...]
    interval: Interval
    ts_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    schema: FeatureSchema

    def __post_init__(self) -> None:
        shape = (self.ts_ns.size, len(self.symbols), len(self.schema.features))
        if self.values.shape != shape:
            raise InputError(f"values must have shape {shape}, was {self.values.shape}")

    @property
    def names(self) -> tuple[str, ...]:
        return self.schema.names

    def column(self, name: str) -> NDArray[np.float64]:
        """Values (T, N) of one feature, as a view."""
        if name not in self.names:
            raise InputError(f"feature must be one of the {len(self.names)} of the schema, was {name!r}")
        return self.values[:, :, self.names.index(name)]


def compute_features(feature_set: FeatureSet, panel: BarPanel, inputs: ContextInputs) -> FeatureMatrix:
    """Run a feature set over a panel from its first bar.

    Parameters
    ----------
    feature_set : FeatureSet
        The built-in set or a user's own.
    panel : BarPanel
        Bars (T, N, 5); NaN rows are lost or unlisted and start the warm-up again.
    inputs : ContextInputs
        Funding, events and the like, joined as of each bar's close.

    Returns
    -------
    FeatureMatrix
        Values (T, N, F), NaN = missing.
    """
    context = build_context(panel.symbols, panel.known_at_ns, inputs)
    values = np.empty((panel.n_bars, len(panel.symbols), len(feature_set.schema.features)))
    state = feature_set.new_state(len(panel.symbols))
    # compiled code exists for writable arrays in C order; another kind would be compiled for anew
    bars = np.require(panel.values, requirements=["C", "W"])
    ts_ns = np.require(panel.ts_ns, requirements=["C", "W"])
    feature_set.batch(state, bars, ts_ns, context, values)
    return FeatureMatrix(panel.symbols, panel.interval, panel.ts_ns, values, feature_set.schema)
