"""`ms train` and `ms model` on stored bars: documents, exit codes, and what is in the registry."""

import asyncio
import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import duckdb
import numpy as np
import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.adapters.postgres.database import Database
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.ports import Transactions
from verbs import ms, on_engines

FIVE_MINUTES = parse_interval("5m")
TRAIN = ("train", "--interval", "5m", "--horizon", "1h", "--param", "n_trees=12", "--threads", "1")

PEEKING_FEATURES = '''
"""Two returns; the second is of the bars to come."""
import numba
import numpy as np
from marketsentry.core.features.schema import FeatureDef, FeatureSchema

SCHEMA = FeatureSchema("peek-1", (
    FeatureDef("back", "return of the last bar", "fraction", 1, "bars", "at the first bar"),
    FeatureDef("ahead", "return of the next 12 bars", "fraction", 1, "bars", "at the first bar"),
))
STATE_SIZE = 1

@numba.njit
def step(state, bar, ts_ns, context, out):
    out[0] = bar[3] / state[0] - 1.0 if state[0] > 0 else np.nan
    out[1] = np.nan
    state[0] = bar[3]

def batch(bars, ts_ns, context, out):
    close = bars[:, :, 3]
    out[:] = np.nan
    out[1:, :, 0] = close[1:] / close[:-1] - 1.0
    out[1:-12, :, 1] = close[13:] / close[1:-12] - 1.0
'''


@pytest.fixture(scope="module")
def market(module_database_url: str) -> str:
    """A database with three synthetic symbols with a signal, and one with a tenth of its bars lost."""
    made = make_market(
        seed=5,
        symbols=("BTC", "ETH", "SOL", "XRP"),
        interval=FIVE_MINUTES,
        n_bars=4_000,
        signal_strength=3.0,
    )

    async def fill() -> None:
        async with Database(module_database_url) as database, database.transactions() as stores:
            for series in made.series:
                keep = (
                    np.arange(series.ts_ns.size) % 10 != 5 if series.symbol == "XRP" else np.full(4_000, True)
                )
                await stores.bars.merge(
                    BarSeries(
                        series.symbol, FIVE_MINUTES, series.source, series.ts_ns[keep], series.values[keep]
                    )
                )

    asyncio.run(fill())
    return module_database_url


@pytest.fixture
def environment(engines: Engines, market: str, tmp_path: Path) -> dict[str, str]:
    return on_engines(engines, market, tmp_path / "a home")


def document(done: CompletedProcess[str], code: int) -> Any:
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_train_list_show_and_train_again(environment: dict[str, str]) -> None:
    crossed = ("--kfold", "3", "--cpcv", "4x2")
    words = (*TRAIN, *crossed, "--symbols", "BTC,ETH,SOL", "--name", "panel", "--version", "v1", "--json")
    done = ms(environment, *words)
    first = json.loads(done.stdout)
    outcome = first["verdict"]["outcome"]
    assert done.returncode == (2 if outcome == "fail" else 0), done.stderr
    assert first["state"] == "candidate"
    assert {row["symbol"]: row["status"] for row in first["results"]} == dict.fromkeys(
        ("BTC", "ETH", "SOL"), "ok"
    )
    assert all(row["train_lineage_id"].startswith("train-") for row in first["results"])
    for key in ("rows", "seconds", "fit_seconds", "peak_memory_bytes", "feature_matrix_bytes"):
        assert first["usage"][key] > 0, key

    for key in ("rows", "seconds", "peak_memory_mib"):
        assert first[key] > 0, key

    again = document(ms(environment, *words), done.returncode)
    assert again["is_reused"]
    assert again["artifact_sha256"] == first["artifact_sha256"]

    listed = document(ms(environment, "model", "list", "--json"), 0)
    (line,) = [one for one in listed if one["name"] == "panel"]
    assert (line["version"], line["outcome"]) == ("v1", outcome)
    shown = document(ms(environment, "model", "show", "panel:v1", "--json"), 0)
    assert shown["is_verified"]
    assert "model.txt" in shown["files"]
    assert "verified" in ms(environment, "model", "show", "panel").stdout
    told = document(ms(environment, "model", "evidence", "panel:v1", "--json"), 0)
    assert told["evidence"]["trials"]["n_trials"] >= 1
    assert told["sha256"] == shown["manifest"]["evidence"]["sha256"]
    assert (told["evidence"]["schema"], len(told["evidence"]["kfold"])) == ("evidence/2", 3)
    assert len(told["evidence"]["paths"]["rows"]) == shown["manifest"]["combinatorial"]["n_paths"] == 3
    assert told["evidence"]["overfitting"]["n_settings"] == 64
    printed = ms(environment, "model", "evidence", "panel").stdout
    for part in ("buy_and_hold", "64 settings around the assumed one", "purged k-fold", "path of 4x2"):
        assert part in printed, part
    assert ms(environment, "model", "evidence", "ghost").returncode == 3

    other = ms(environment, *words[:-1], "--seed", "7")
    assert other.returncode == 3
    assert "panel:v1 is registered and never changes" in other.stderr


def test_a_peeking_feature_file_is_refused_with_the_reason(
    environment: dict[str, str], tmp_path: Path
) -> None:
    features = tmp_path / "peeking.py"
    features.write_text(PEEKING_FEATURES)
    words = (*TRAIN, "--symbols", "BTC,ETH", "--features", str(features), "--name", "peek", "--version", "v1")
    refused = document(ms(environment, *words, "--json"), 2)
    assert refused["state"] == "refused"
    assert refused["verdict"]["outcome"] == "fail"
    assert any("feature ahead of" in reason for reason in refused["verdict"]["reasons"])


def test_gaps_block_and_nothing_is_registered(environment: dict[str, str]) -> None:
    words = (*TRAIN, "--symbols", "BTC,XRP", "--name", "gapped", "--version", "v1")
    blocked = document(ms(environment, *words, "--json"), 2)
    assert blocked["status"] == "blocked_by_data_quality"
    (row,) = blocked["results"]
    assert (row["symbol"], row["status"]) == ("XRP", "blocked_by_data_quality")
    assert "missing_rate_exceeded" in row["reason"].split(",")
    listed = document(ms(environment, "model", "list", "--json"), 0)
    assert "gapped" not in [one["name"] for one in listed]
    assert "XRP: " in ms(environment, *words).stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ("--horizon", "3h", "--symbols", "BTC"),
            2,
            "horizon must be one of 1h, 4h, 1d, 7d for 5m bars, was 3h",
        ),
        (("--symbols", "NOPE"), 3, "bars of NOPE"),
        (("--symbols", "BTC", "--memory-limit", "20"), 2, "memory limit must exceed"),
        (("--symbols", "BTC", "--model", "gone.py"), 3, "gone.py"),
        (("--symbols", "BTC", "--param", "trees=1"), 2, "must be among n_trees"),
        (("--symbols", "BTC", "--cpcv", "6"), 2, "groups must be given as NxK, such as 6x2, was '6'"),
        (("--symbols", "BTC", "--cpcv", "20x10"), 2, "<= 200 combinations"),
        (("--symbols", "BTC", "--cpcv", "2x2"), 2, "n_test_groups must be in 1..n_groups - 1 (1), was 2"),
    ],
)
def test_bad_calls_end_in_one_clear_line(
    environment: dict[str, str], words: tuple[str, ...], code: int, message: str
) -> None:
    done = ms(environment, *TRAIN, "--name", "x", "--version", "v1", *words)
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert message in line
    assert "Traceback" not in done.stderr


@pytest.mark.realdata
async def test_twelve_recorded_coins_of_hours(
    transactions: Transactions, engines: Engines, database_url: str, realdata: Path, tmp_path: Path
) -> None:
    environment = on_engines(engines, database_url, tmp_path / "home")
    files = sorted((realdata / "bars" / "binance_spot_1h").glob("*USDT.parquet"))
    symbols = [path.stem.removesuffix("USDT") for path in files]
    async with transactions() as stores:
        for path, symbol in zip(files, symbols, strict=True):
            found = duckdb.sql(
                f"SELECT epoch_ns(ts) AS ts_ns, open, high, low, close, volume FROM '{path}'"
                " WHERE ts >= '2022-01-01' AND ts < '2022-06-01' ORDER BY ts"
            ).fetchnumpy()
            values = np.column_stack([found[name] for name in ("open", "high", "low", "close", "volume")])
            series = BarSeries(symbol, parse_interval("1h"), "binance_spot", found["ts_ns"], values)
            await stores.bars.merge(series)
    words = ("--interval", "1h", "--horizon", "4h", "--param", "n_trees=10", "--threads", "1")
    done = ms(
        environment,
        "train",
        "--symbols",
        ",".join(symbols),
        *words,
        "--name",
        "p",
        "--version",
        "1",
        "--json",
    )
    trained = json.loads(done.stdout)
    assert trained["status"] == "ok", done.stderr
    assert len(trained["results"]) == 12
    assert len(trained["metrics"]["folds"]) == 5
    checks = {check["name"]: check["passed"] for check in trained["verdict"]["checks"]}
    for name in ("leaks", "canary_caught", "batch_equals_stream", "ic_plausible", "n_folds", "n_samples"):
        assert checks[name], name
