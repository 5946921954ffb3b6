"""One prepared database for each session of tests."""

from collections.abc import Iterator

import pytest

from marketsentry.adapters.embedded import EmbeddedEngines
from marketsentry.adapters.postgres import migrate
from simulation.desk import Desk, prepare


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A migrated database with the clock of simulations."""
    with EmbeddedEngines(tmp_path_factory.mktemp("engines")) as engines:
        migrate.upgrade(engines.urls.database_url)
        prepare(engines.urls.database_url)
        with Desk(engines.urls.database_url) as desk:
            yield desk
