"""`ms db`: what it prints and how it ends."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.postgres import migrate
from verbs import ms, on_engines


@pytest.fixture
def environment(empty_database_url: str, tmp_path: Path) -> dict[str, str]:
    """An empty outside database."""
    return on_engines(Engines("", "redis://127.0.0.1:1/0"), empty_database_url, tmp_path)


def db(environment: dict[str, str], *words: str) -> CompletedProcess[str]:
    return ms(environment, "db", *words)


def test_the_schema_goes_up_is_checked_and_goes_down(environment: dict[str, str]) -> None:
    head = migrate.head_revision()
    before = db(environment, "check", "--json")
    assert before.returncode == 2
    assert json.loads(before.stdout)["revision"] == "base"
    assert json.loads(db(environment, "upgrade", "--json").stdout) == {"before": "base", "after": head}
    after = db(environment, "check", "--json")
    assert (after.returncode, json.loads(after.stdout)) == (
        0,
        {"revision": head, "head": head, "agrees": True, "differences": []},
    )
    refused = db(environment, "downgrade", "base")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "add --yes to accept that" in refused.stderr
    assert json.loads(db(environment, "downgrade", "base", "--yes", "--json").stdout)["after"] == "base"
    assert json.loads(db(environment, "current", "--json").stdout) == {"revision": "base", "head": head}


def test_the_printed_schema_is_the_expected_one(environment: dict[str, str]) -> None:
    db(environment, "upgrade")
    assert json.loads(db(environment, "schema").stdout) == json.loads(
        (migrate.MIGRATIONS.parent / "schema.json").read_text()
    )


def test_a_malformed_setting_is_one_line_and_exit_code_2(environment: dict[str, str]) -> None:
    refused = db(environment | {"RISK_MAX_DRAWDOWN": "abc"}, "current")
    assert (refused.returncode, refused.stderr) == (
        2,
        "error: RISK_MAX_DRAWDOWN must be a number, was 'abc'\n",
    )
