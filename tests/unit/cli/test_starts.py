"""What a start of the program does not wait for: libraries that only some verbs need."""

import subprocess
import sys

import pytest

SLOW = ("alembic", "ccxt", "duckdb", "fastapi", "lightgbm", "numba", "scipy", "sqlalchemy")
STARTS = {
    "help": "marketsentry.cli.app",
    "a verb that reads": "marketsentry.bootstrap, marketsentry.adapters.postgres.models",
    "a verb that stops and closes": "marketsentry.bootstrap, marketsentry.services.flatten",
    "a verb that looks at orders": "marketsentry.bootstrap, marketsentry.services.execution_why",
    "the supervisor": "marketsentry.bootstrap, marketsentry.api.listening, marketsentry.roles.supervisor",
    "the trader before there is a model": "marketsentry.api.listening, marketsentry.roles.trader",
}


@pytest.mark.parametrize("start", STARTS)
def test_what_is_slow_is_imported_by_those_who_need_it(start: str) -> None:
    code = f"import sys, {STARTS[start]}; print(*sorted(set({SLOW}) & set(sys.modules)))"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
