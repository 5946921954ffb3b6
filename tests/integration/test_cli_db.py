"""`ms db` from a shell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from marketsentry.adapters.postgres import migrate


@pytest.fixture
def environment(empty_database_url: str, tmp_path: Path) -> dict[str, str]:
    """An empty outside database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MS_")}
    return kept | {
        "DATABASE_URL": empty_database_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "MS_HOME": str(tmp_path),
    }


def ms(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "marketsentry", "db", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_schema_goes_up_is_checked_and_goes_down(environment: dict[str, str]) -> None:
    head = migrate.head_revision()
    before = ms(environment, "check", "--json")
    assert before.returncode == 2
    assert json.loads(before.stdout)["revision"] == "base"
    assert json.loads(ms(environment, "upgrade", "--json").stdout) == {"before": "base", "after": head}
    after = ms(environment, "check", "--json")
    assert (after.returncode, json.loads(after.stdout)) == (
        0,
        {"revision": head, "head": head, "agrees": True, "differences": []},
    )
    refused = ms(environment, "downgrade", "base")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "add --yes to accept that" in refused.stderr
    assert json.loads(ms(environment, "downgrade", "base", "--yes", "--json").stdout)["after"] == "base"
    assert json.loads(ms(environment, "current", "--json").stdout) == {"revision": "base", "head": head}


def test_the_printed_schema_is_the_expected_one(environment: dict[str, str]) -> None:
    ms(environment, "upgrade")
    assert json.loads(ms(environment, "schema").stdout) == json.loads(
        (migrate.MIGRATIONS.parent / "schema.json").read_text()
    )


def test_a_malformed_setting_is_one_line_and_exit_code_2(environment: dict[str, str]) -> None:
    refused = ms(environment | {"RISK_MAX_DRAWDOWN": "abc"}, "current")
    assert (refused.returncode, refused.stderr) == (
        2,
        "error: RISK_MAX_DRAWDOWN must be a number, was 'abc'\n",
    )
