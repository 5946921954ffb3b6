"""Chart indicators in their usual units, read off the features: there is one implementation of each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.features.matrix import FeatureMatrix
from marketsentry.core.market.bars import BarPanel

NEEDED = ("ma_dist_7", "ma_dist_30", "rsi_14", "macd_line", "macd_signal")


@dataclass(frozen=True, slots=True)
class Indicators:
    """Per bar and symbol (T, N), NaN = not yet known: prices in quote currency, `rsi` 0..100."""

    ma_7: NDArray[np.float64]
    ma_30: NDArray[np.float64]
    rsi: NDArray[np.float64]
    macd: NDArray[np.float64]
    macd_signal: NDArray[np.float64]


def indicators_of(panel: BarPanel, features: FeatureMatrix) -> Indicators | None:
    """Turn features into chart indicators.

    Parameters
    ----------
    panel : BarPanel
        The bars the features were computed from.
    features : FeatureMatrix
        Any feature set.

    Returns
    -------
    Indicators or None
        None when the feature set has not all of `NEEDED`.

    Notes
    -----
    ``ma = close / (1 + ma_dist)``, ``rsi = 50 (1 + rsi_14)`` (the feature runs from -1 to 1),
    ``macd = close * macd_line``.
    """
    if not set(NEEDED) <= set(features.names):
        return None
    close = panel.close
    return Indicators(
        ma_7=close / (1.0 + features.column("ma_dist_7")),
        ma_30=close / (1.0 + features.column("ma_dist_30")),
        rsi=50.0 * (1.0 + features.column("rsi_14")),
        macd=close * features.column("macd_line"),
        macd_signal=close * features.column("macd_signal"),
    )
