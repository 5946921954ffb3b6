"""What the tests of imports share."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from market_files import FixedClock
from marketsentry.adapters.files.local_files import LocalFiles
from marketsentry.ports import Transactions
from marketsentry.services.import_report import ImportReport
from marketsentry.services.imports import import_files

Import = Callable[..., Awaitable[ImportReport]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name says venue, market and interval; it has a space in its path."""
    made = tmp_path / "my data" / "binance_spot_1m"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def run_import(transactions: Transactions, tmp_path: Path) -> Import:
    """Imports paths into this test's database, at a clock that stands in 2025."""

    async def run(*paths: Path, clock: FixedClock | None = None, **more: Any) -> ImportReport:
        return await import_files(
            paths,
            files=LocalFiles.under(tmp_path / "home"),
            transactions=transactions,
            clock=clock or FixedClock(),
            **more,
        )

    return run
