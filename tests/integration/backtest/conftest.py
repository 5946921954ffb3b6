"""One registered model for all tests of backtests that only read it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from backtest_desk import Desk, Trained, train_panel
from lent_databases import LentDatabases
from marketsentry.adapters.postgres.database import Database


@pytest.fixture(scope="session")
def trained(databases: LentDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Two versions of one model, trained once; who changes the market behind them puts it back."""
    with databases.lend() as url:
        yield train_panel(url, tmp_path_factory.mktemp("desk"))


@pytest.fixture
async def desk(trained: Trained) -> AsyncIterator[Desk]:
    """The desk at which it was trained."""
    async with Database(trained.url) as database:
        yield Desk(database.transactions, trained.folder)
