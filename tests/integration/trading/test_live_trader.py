"""The live trader on real PostgreSQL: it waits, trades each bar once, goes on after a restart, and stops where risk says so."""

SYMBOLS = ("BTC", "ETH", "SOL")
N_BARS = 45 * 24
TRAINED_BARS = N_BARS - 48
EAGER = {"cost_multiple": 0.0, "rebalance_band_frac": 0.005}
