"""SMA(10/50) cross of one target over 1,000,000 bars in vectorbt, 5 + 3 bps: prints bars per second as JSON."""

import json
import statistics
import time

import numpy as np
import pandas as pd
import vectorbt as vbt

N_BARS = 1_000_000


def main() -> None:
    """Time the same market and the same rule as `backtest-sma`, equity curve and trade records included.

    In processor seconds, as ours: on a busy machine wall time would make the peer look slow.
    """
    rng = np.random.default_rng(20260101)
    values = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.002, N_BARS)))
    close = pd.Series(values, index=pd.date_range("2024-01-01", periods=N_BARS, freq="min"))

    def work() -> int:
        fast, slow = vbt.MA.run(close, 10), vbt.MA.run(close, 50)
        above = fast.ma.to_numpy() > slow.ma.to_numpy()
        entries = pd.Series(np.r_[False, above[1:] & ~above[:-1]], index=close.index).shift(
            1, fill_value=False
        )
        exits = pd.Series(np.r_[False, ~above[1:] & above[:-1]], index=close.index).shift(1, fill_value=False)
        portfolio = vbt.Portfolio.from_signals(
            close,
            entries,
            exits,
            price=close.shift(1),
            fees=5e-4,
            slippage=3e-4,
            init_cash=100_000.0,
            freq="min",
        )
        portfolio.value()
        return len(portfolio.trades.records)

    n_trades = work()
    samples = []
    for _ in range(5):
        started = time.process_time()
        work()
        samples.append(time.process_time() - started)
    speed = N_BARS / statistics.median(samples)
    print(json.dumps({"name": "vectorbt", "version": vbt.__version__, "value": speed, "trades": n_trades}))


if __name__ == "__main__":
    main()
