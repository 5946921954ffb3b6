"""Backtest runs."""

from typing import Protocol


class RunStore(Protocol):
    """Backtest runs."""
