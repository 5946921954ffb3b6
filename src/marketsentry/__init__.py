"""MarketSentry: a self-hosted control plane for crypto quant trading."""

__version__ = "0.1.0"
