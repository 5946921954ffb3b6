"""The data-quality gate over stored series, from the command line and below."""

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from marketsentry.cli.data import app
from marketsentry.core.gates.data_quality import QualityLimits
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.services.quality import AuditRequest, Scope, audit_stored

M5 = parse_interval("5m")
N = 4_000
MARKET = make_market(seed=2, symbols=("BTC", "ETH", "SOL"), interval=M5, n_bars=N)
LIMITS = QualityLimits()


def without(series, rows):
    keep = np.ones(series.ts_ns.size, bool)
    keep[list(rows)] = False
    return dataclasses.replace(series, ts_ns=series.ts_ns[keep], values=series.values[keep])


@pytest.fixture
async def filled(transactions):
    """BTC whole, ETH with a hole of 120 bars, SOL with 120 bars in which nothing traded."""
    btc, eth, sol = MARKET.series
    async with transactions() as stores:
        await stores.bars.merge(btc)
        await stores.bars.merge(without(eth, range(1_000, 1_120)))
        await stores.bars.merge(without(sol, range(1_000, 1_120)))
        await stores.bars.add_no_trade("SOL", M5, sol.ts_ns[1_000:1_120])
    return transactions


async def test_injected_gaps_fail_and_quiet_bars_do_not(filled):
    audits = await audit_stored(AuditRequest(), transactions=filled, limits=LIMITS)
    assert {one.symbol: one.verdict.reasons for one in audits} == {
        "BTC": (),
        "ETH": ("missing_rate_exceeded",),
        "SOL": (),
    }
    eth, sol = audits[1].facts, audits[2].facts
    assert (eth.n_missing, sol.n_missing, sol.n_no_trade) == (120, 0, 120)
    assert [(gap.start_ns, gap.n_bars) for gap in eth.gaps] == [(MARKET.series[0].ts_ns[1_000], 120)]


async def test_a_window_judges_the_end_only(filled):
    request = AuditRequest(symbols=("ETH",), scope=Scope.WINDOW)
    (audit,) = await audit_stored(request, transactions=filled, limits=LIMITS)
    assert audit.verdict.passed
    assert audit.facts.expected_rows == 864


async def test_a_series_that_stopped_is_stale_now_and_fine_at_its_end(filled):
    end_ns = int(MARKET.series[0].ts_ns[-1]) + M5.ns
    later = AuditRequest(symbols=("BTC",), scope=Scope.WINDOW, as_of_ns=end_ns + 4 * M5.ns)
    (audit,) = await audit_stored(later, transactions=filled, limits=LIMITS)
    assert audit.verdict.reasons == ("freshness_exceeded",)


async def test_each_judgement_is_stored(filled):
    await audit_stored(AuditRequest(), transactions=filled, limits=LIMITS)
    async with filled() as stores:
        eth = await stores.audits.last_audit("ETH", M5)
        nothing = await stores.audits.last_audit("ETH", parse_interval("1h"))
    assert not eth.passed
    assert eth.reasons == ("missing_rate_exceeded",)
    assert eth.result["quality_passed"] == 0
    assert eth.result["gaps"][0]["n_bars"] == 120
    assert eth.result["scope"] == "all"
    failed = [check for check in eth.result["checks"] if not check["passed"]]
    assert [(check["name"], check["limit"]) for check in failed] == [("missing_rate", 0.02)]
    assert nothing is None


async def test_a_second_source_must_agree(filled):
    against = AuditRequest(symbols=("SOL",), against="BTC")
    (audit,) = await audit_stored(against, transactions=filled, limits=LIMITS)
    assert audit.verdict.reasons == ("cross_source_deviation_exceeded",)
    with pytest.raises(InputError, match="compared with one series, were 3"):
        await audit_stored(AuditRequest(against="BTC"), transactions=filled, limits=LIMITS)


async def test_what_is_not_stored_is_named(filled):
    with pytest.raises(NotFoundError, match="no 5m bars of XRP are stored"):
        await audit_stored(AuditRequest(("XRP",), M5), transactions=filled, limits=LIMITS)


async def test_an_empty_record_is_said_so(transactions):
    with pytest.raises(NotFoundError, match="no bars are stored"):
        await audit_stored(AuditRequest(), transactions=transactions, limits=LIMITS)


@pytest.fixture
def command_line(engines, database_url, tmp_path, monkeypatch):
    monkeypatch.setenv("MS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", engines.redis_url)

    def run(*arguments):
        return CliRunner().invoke(app, list(arguments))

    return run


def test_the_commands_work_together(command_line):
    made = command_line("synth", "--seed", "2", "--symbols", "btc,eth", "--days", "10", "--json")
    assert made.exit_code == 0, made.output
    assert [one["n_bars"] for one in json.loads(made.stdout)["report"]["series"]] == [2_880, 2_880]
    audited = command_line("audit", "btc", "--json")
    assert audited.exit_code == 0, audited.output
    (series,) = json.loads(audited.stdout)["series"]
    assert (series["symbol"], series["is_synthetic"], series["passed"]) == ("BTC", True, True)
    assert series["data_quality"]["quality_passed"] == 1
    stale = command_line("audit", "--window", "--as-of", "now")
    assert stale.exit_code == 2
    assert "FAIL" in stale.stdout
    assert "0 of 2 series pass" in stale.stdout
    assert max(map(len, stale.stdout.splitlines())) <= 80
