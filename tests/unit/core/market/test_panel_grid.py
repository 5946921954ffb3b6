import numpy as np

from marketsentry.core.market.bars import BarSeries, align_panel
from marketsentry.core.market.interval import parse_interval


def test_a_long_grid_keeps_its_last_bar():
    hour = parse_interval("1h")
    ts_ns = 1_502_942_400_000_000_000 + hour.ns * np.arange(67_532, dtype=np.int64)
    series = BarSeries("BTC", hour, "synthetic", ts_ns, np.ones((ts_ns.size, 5)))

    panel = align_panel([series])

    assert panel.n_bars == ts_ns.size
    assert panel.ts_ns[-1] == ts_ns[-1]
