"""`ms features build | export-samples | list` : one JSON document, documented exit codes."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from marketsentry.adapters.embedded import Engines
from small_market import random_series, without_bars
from verbs import ms, on_engines


@pytest.fixture
def environment(engines: Engines, database_url: str, tmp_path: Path) -> dict[str, str]:
    return on_engines(engines, database_url, tmp_path / "home")


def features(environment: dict[str, str], *words: str) -> CompletedProcess[str]:
    return ms(environment, "features", *words)


async def test_build_tells_what_it_did(market, environment, tmp_path):
    words = ("build", "--symbols", "btc,eth", "--interval", "1h", "--json")
    done = features(environment, *words)
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    assert (first["rows"], first["snapshots_written"], first["blocked"]) == (1497, 1497, [])
    assert first["symbols"] == ["BTC", "ETH"]
    assert [one.rsplit("-", 1)[1] for one in first["lineage_ids"]] == ["BTC", "ETH"]
    assert first["seconds"] > 0
    assert first["peak_memory_mib"] > 0
    assert (Path(first["path"]) / "manifest.json").exists()
    again = json.loads(features(environment, *words).stdout)
    assert again["snapshots_written"] == 0
    assert {key: again[key] for key in ("content_hash", "lineage_ids", "rows")} == {
        key: first[key] for key in ("content_hash", "lineage_ids", "rows")
    }
    for_people = features(environment, *words[:-1])
    assert "this dataset was there already" in for_people.stdout

    path = tmp_path / "samples.csv"
    words = (
        "export-samples",
        "--symbols",
        "BTC,ETH",
        "--interval",
        "1h",
        "--horizons",
        "1h,1d",
        "--to",
        str(path),
    )
    done = features(environment, *words, "--json")
    assert done.returncode == 0, done.stderr
    exported = json.loads(done.stdout)
    assert exported["content_hash"] == first["content_hash"]
    assert exported["rows"] == exported["rows_in_table"] == len(path.read_text().splitlines()) - 1


async def test_a_blocked_symbol_is_reported_and_all_blocked_is_exit_code_2(market, environment):
    async with market() as stores:
        await stores.bars.merge(without_bars(random_series("SOL", seed=3), slice(100, 400)))
    some = features(
        environment, "build", "--symbols", "BTC,SOL", "--interval", "1h", "--no-snapshots", "--json"
    )
    assert some.returncode == 0, some.stderr
    (blocked,) = json.loads(some.stdout)["blocked"]
    assert (blocked["symbol"], blocked["status"]) == ("SOL", "blocked_by_data_quality")
    none = features(environment, "build", "--symbols", "SOL", "--interval", "1h", "--json")
    assert none.returncode == 2
    document = json.loads(none.stdout)
    assert document["content_hash"] is None
    assert document["blocked"][0]["data_quality"]["quality_passed"] == 0
    assert "blocked_by_data_quality" in none.stderr


async def test_what_is_not_there_or_wrong_is_one_line(market, environment):
    absent = features(environment, "build", "--symbols", "XRP", "--interval", "1h")
    assert (absent.returncode, absent.stdout) == (3, "")
    assert absent.stderr.startswith("error: ")
    assert "XRP" in absent.stderr
    wrong = features(environment, "build", "--interval", "1x")
    assert (wrong.returncode, wrong.stderr) == (2, "error: interval must look like 5m, 1h or 1d, was '1x'\n")


def test_the_schema_is_listed_with_every_rule(environment):
    document = json.loads(features(environment, "list", "--json").stdout)
    assert len(document["features"]) >= 60
    assert set(document["features"][0]) == {
        "name",
        "definition",
        "unit",
        "lookback_bars",
        "source",
        "missing_rule",
    }
