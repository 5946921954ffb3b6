"""A small synthetic market in the record, and everything a dataset build needs."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from marketsentry.adapters.dataset_files import ParquetDatasets
from marketsentry.core.dataset import Dataset
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.market.records import FundingSeries
from marketsentry.ports import Transactions
from marketsentry.services.datasets import DatasetRequest, build_dataset
from small_market import HOUR, START_NS, FixedClock, random_series, without_bars

Build = Callable[..., Awaitable[Dataset]]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))


@pytest.fixture
def files(tmp_path: Path) -> ParquetDatasets:
    return ParquetDatasets(tmp_path / "datasets")


@pytest.fixture
async def market(transactions: Transactions) -> Transactions:
    """BTC and ETH with a short hole, and funding of BTC."""
    btc = without_bars(random_series("BTC", seed=1), slice(300, 303))
    eth = random_series("ETH", seed=2, n_bars=600, start_ns=START_NS + 300 * HOUR.ns)
    rate = FundingSeries("BTC-PERP", "synthetic", START_NS + 8 * HOUR.ns * np.arange(112), np.full(112, 1e-4))
    async with transactions() as stores:
        await stores.bars.merge(btc)
        await stores.bars.merge(eth)
        await stores.events.add_funding(rate)
    return transactions


@pytest.fixture
def build(market: Transactions, files: ParquetDatasets, clock: FixedClock) -> Build:
    async def run(symbols: tuple[str, ...] = ("BTC", "ETH"), **changes: object) -> Dataset:
        code_version = str(changes.pop("code_version", "code-1"))
        return await build_dataset(
            DatasetRequest(symbols, HOUR, **changes),  # type: ignore[arg-type]  # whatever a test varies
            feature_set=BUILTIN,
            code_version=code_version,
            transactions=market,
            files=files,
            clock=clock,
        )

    return run
