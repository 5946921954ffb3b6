"""Every verb's help has an example, and every example works: typed as it is printed, in a prepared home."""

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer

from market_files import bar_rows, write_csv, write_parquet
from marketsentry.cli.app import app
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.simexchange.candles import Candle, CandleExchange, Listing
from marketsentry.simexchange.protocols import CoinbaseProtocol
from programs import CHECKOUT, PATIENCE_S, clean_environment, eventually, ms, serving

MARK = "Example:"
DAY_S = 86_400
SINCE_S = 1_717_200_000  # 2024-06-01T00:00:00Z, as the example of `data download` says
LAST_BARS = 500


@dataclass(frozen=True)
class Story:
    """A home and folder, what lies there before, and the examples that work there, each with its exit codes."""

    name: str
    examples: dict[str, set[int]]
    before: tuple[tuple[str, ...], ...] = field(default=())


OK, JUDGED = {0}, {0, 2}  # 2: the example worked and what it judged was not good enough
STORIES = (
    Story(
        "schema and features",
        {
            "ms db upgrade": OK,
            "ms db current --json": OK,
            "ms db check": OK,
            "ms db schema > schema.json": OK,
            "ms features list --json": OK,
            "ms features check --interval 1h --symbols BTC,ETH --json": OK,
            "ms features build --symbols BTC,ETH --interval 1h": OK,
            "ms features build --symbols BTC,ETH --interval 1h --json": OK,
            "ms features export-samples --symbols BTC --interval 1h --horizons 1h,1d --to samples.parquet": OK,
        },
        before=(("data", "synth", "--symbols", "BTC,ETH", "--interval", "1h", "--days", "60"),),
    ),
    Story(
        "models",
        {
            "ms train --symbols BTC,ETH,SOL --interval 1h --horizon 4h --name panel --version v1": JUDGED,
            "ms model list": OK,
            "ms model list --json": OK,
            "ms model show panel:v1": OK,
            "ms model evidence panel:v1 --out panel-v1.html": OK,
            "ms predict BTC --model panel:v1 --as-of last --explain": OK,
            "ms signal BTC --horizon 1d --json": OK,
            "ms rebalance --file examples/signals.json --json": OK,
            "ms backtest run --model panel:v1 --json": OK,
            "ms backtest run --model panel:v1 --symbols BTC,ETH --lookback-days 90 --json": OK,
            "ms backtest sweep --model panel:v1 --grid entry_edge_bps=0,5,10": OK,
            "ms backtest run --model panel:v1 --policy examples/policy_example.py --set policy.stop_frac=0.03": OK,
            "ms backtest sweep --model panel:v1 --policy examples/policy_example.py --grid policy.stop_frac=0.1,1": OK,
            "ms backtest list --limit 5": OK,
            "ms backtest compare 1 2 --out compare.html": OK,
            "ms backtest report 1 --lang zh --out report.html": OK,
            "ms replay 1 --tolerance 1e-6 --json": OK,
            "ms parity --replay --json": OK,
            "ms status --json": OK,
            "ms orders list": OK,
            "ms orders list --status filled --status partially_filled": OK,
            "ms orders why 4201337": {3},
            "ms account deposit 2500.50 --reference wire-17": OK,
            "ms account withdraw 100 --reference wire-18": OK,
            'ms account adjust 0.25 --reason "rebate that no fill told"': OK,
            "ms account list": OK,
            "ms account list --json": OK,
            "ms risk status": OK,
            "ms risk status --json": OK,
            'ms risk kill liquid --minutes 60 --reason "venue outage"': OK,
            "ms risk explain liquid --target BTC": {3},
            "ms risk flatten liquid --yes --json": OK,
            'ms risk reset liquid --reason "venue is back"': OK,
            "ms orders reconcile --json": OK,
            "ms orders costs --fit": OK,
            "ms db downgrade 0003 --yes": OK,
        },
        before=(("data", "synth", "--symbols", "BTC,ETH,SOL", "--interval", "1h", "--days", "110"),),
    ),
    Story(
        "files",
        {
            "ms data import binance_spot_1h/BTCUSDT.parquet --json": OK,
            "ms data import my-bars/ && ms data list": OK,
            "ms data resample BTC ETH --from 1m --to 5m": OK,
            "ms data list --gaps": OK,
        },
    ),
    Story(
        "synthetic",
        {
            "ms data synth --seed 7 --symbols BTC,ETH --days 180": OK,
            "ms data audit BTC ETH --interval 5m": OK,
        },
    ),
    Story(
        "own parts",
        {
            "ms new features my_features": OK,
            "ms new model my_model": OK,
            "ms check features my_features.py": OK,
            "ms check features examples/features_example.py --json": OK,
            "ms check model examples/model_example.py --json": OK,
            "ms new policy my_policy": OK,
            "ms check policy examples/policy_example.py --json": OK,
            "ms new venue my_venue": OK,
            "ms check venue my_venue.py --symbol BTC --yes": OK,
        },
    ),
    Story(
        "this machine",
        {
            "ms check evidence --quick --json": OK,
            "ms check live --venue coinbase --json": OK,
            "ms drill exchange_jitter --orders 40 --json": OK,
            "ms bench help --json": JUDGED,  # whether this machine is quick enough is not asked here
            "ms doctor --json": JUDGED,  # what this machine lacks is not asked here
        },
    ),
)
SERVING = {"MS_HOME=var ms up", "ms run api"}
DOWNLOAD = "ms data download --venue coinbase --symbols BTC --since 2024-06-01"
ELSEWHERE = {"ms demo --once": "test_demo.py runs it on a smaller market, .ci/run as it is"}


def examples_by_verb() -> dict[str, list[str]]:
    """Walk the tree of verbs; the examples of each, without the mark."""
    found: dict[str, list[str]] = {}

    def walk(command: typer.core.TyperCommand | typer.core.TyperGroup, path: tuple[str, ...]) -> None:
        lines = [line.strip() for line in (command.help or "").splitlines()]
        found[" ".join(path)] = [line.removeprefix(MARK).strip() for line in lines if line.startswith(MARK)]
        if isinstance(command, typer.core.TyperGroup):
            for name in command.list_commands(None):  # type: ignore[arg-type] # no verb looks at the context
                walk(command.get_command(None, name), (*path, name))  # type: ignore[arg-type]

    walk(typer.main.get_command(app), ("ms",))
    return found


def test_every_verb_has_an_example() -> None:
    found = examples_by_verb()
    assert len(found) > 30
    assert [verb for verb, examples in found.items() if not examples] == []
    for verb, examples in found.items():
        assert all(verb in example for example in examples), verb


def test_no_example_is_left_out() -> None:
    printed = {example for examples in examples_by_verb().values() for example in examples}
    tried = {example for story in STORIES for example in story.examples}
    assert printed == tried | SERVING | {DOWNLOAD} | set(ELSEWHERE)


def test_the_help_of_every_verb_prints_and_fits_80_columns(tmp_path: Path) -> None:
    for verb in ("ms", "ms data import", "ms train", "ms up", "ms status"):
        shown = ms(tmp_path, *verb.split()[1:], "--help")
        assert shown.returncode == 0
        assert MARK in shown.stdout
        assert max(map(len, shown.stdout.splitlines())) <= 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a user types: examples of the checkout, and a few files of bars."""
    folder = tmp_path_factory.mktemp("desk of a user")
    shutil.copytree(CHECKOUT / "examples", folder / "examples")
    write_parquet(folder / "binance_spot_1h" / "BTCUSDT.parquet", bar_rows(500, step_s=3600))
    for name in ("BTCUSDT", "ETHUSDT"):
        write_csv(folder / "my-bars" / "binance_spot_1m" / f"{name}.csv", bar_rows(900))
    return folder


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_the_examples_work(story: Story, folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for words in story.before:
        assert ms(home, *words).returncode == 0
    for example, codes in story.examples.items():
        done = _type(example, home, folder)
        assert done.returncode in codes, f"{example}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert done.stdout.strip() or ">" in example or done.stderr.strip(), f"{example} says nothing"
        if "--json" in example:
            json.loads(done.stdout)


@pytest.mark.parametrize("example", sorted(SERVING))
def test_the_examples_that_serve_work(example: str, tmp_path: Path) -> None:
    home = tmp_path / "var" if "MS_HOME=var" in example else tmp_path / "home"
    with serving(home, shell=example, cwd=tmp_path) as running:
        assert eventually(running.is_ready), running.stderr
        assert running.stop() == 0


def test_the_download_example_works_against_a_venue_on_loopback(folder: Path, tmp_path: Path) -> None:
    """Only the address and the end are added: the real venue would send every bar since."""
    with _venue() as url:
        end = "2024-06-02T17:40:00"
        done = _type(f"{DOWNLOAD} --until {end} --base-url {url} --json", tmp_path / "home", folder)
    assert done.returncode == 0, done.stderr
    (series,) = json.loads(done.stdout)["series"]
    assert (series["symbol"], series["n_inserted"], series["gaps"]) == ("BTC-USD", LAST_BARS, [])


def _type(example: str, home: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", example],
        env=clean_environment(home),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 5,
        check=False,
    )


@contextmanager
def _venue() -> Iterator[str]:
    """A venue that speaks Coinbase's candle endpoint, in a thread of its own."""
    five_minutes = make_market(
        seed=5, symbols=("BTC",), interval=parse_interval("5m"), n_bars=LAST_BARS
    ).series[0]
    candles = [
        Candle((SINCE_S + 300 * n) * 1000, *(float(value) for value in row))
        for n, row in enumerate(five_minutes.values)
    ]
    daily = [Candle((SINCE_S + DAY_S * n) * 1000, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(2)]
    listing = Listing("BTC", "USD", {300: candles, DAY_S: daily})
    exchange = CandleExchange(CoinbaseProtocol(), [listing], now_s=lambda: SINCE_S + 300.0 * LAST_BARS + 1)
    loop, started, url = asyncio.new_event_loop(), threading.Event(), []
    over = asyncio.Event()

    async def serve() -> None:
        async with exchange as venue:
            url.append(venue.url)
            started.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield url[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
