from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compared_runs import account_of, replayed
from marketsentry.core.backtest.common_window import common_window
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import account_metrics, summarise
from marketsentry.core.market.symbols import Market
from marketsentry.exceptions import ConflictError, InputError

INTERVALS = ("15m", "1h", "2h")


def equity_at(run, at_ns):
    """What the account was worth at a moment, looked up close by close."""
    worth = {int(run.ts_ns[0]): run.params.capital_quote}
    for ts, equity in zip(run.ts_ns.tolist(), run.equity.tolist(), strict=True):
        worth[ts + run.interval.ns] = equity
    return worth[at_ns]


def naive_moments(runs):
    """Moments at which every run begins or closes a bar, none before the last has begun to trade."""
    shared = set.intersection(*({int(run.ts_ns[0]), *(run.ts_ns + run.interval.ns).tolist()} for run in runs))
    return sorted(at for at in shared if all(at >= run.traded_from_ns for run in runs))


run_shapes = st.tuples(
    st.integers(0, 50),
    st.integers(30, 90),
    st.sampled_from(INTERVALS),
    st.integers(0, 20),
    st.integers(0, 12),
    st.sampled_from([1_000.0, 250_000.0]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(run_shapes, min_size=1, max_size=3))
def test_the_window_holds_what_a_lookup_by_time_gives(shapes):
    runs = []
    for i, (seed, n_bars, interval, start, traded_from, capital) in enumerate(shapes):
        panel, _, result = replayed(seed, n_bars, interval=interval, start=start, capital_quote=capital)
        runs.append(account_of(result, panel, name=f"run {i}", traded_from=traded_from))
    moments = naive_moments(runs)
    if len(moments) < 2:
        with pytest.raises(ConflictError, match="no bar in common"):
            common_window(runs)
        return
    window = common_window(runs)
    assert window.moments_ns.tolist() == moments
    for run, account in zip(runs, window.accounts, strict=True):
        base = equity_at(run, moments[0])
        expected = [equity_at(run, at) / base for at in moments[1:]]
        np.testing.assert_array_equal(account.equity, expected)
        own = [ts for ts in run.ts_ns.tolist() if ts >= run.traded_from_ns]
        assert account.n_before == sum(ts < moments[0] for ts in own)
        assert account.n_after == sum(ts + run.interval.ns > moments[-1] for ts in own)
        inside = [
            fill for fill in run.fills if moments[0] <= run.ts_ns[fill["bar"]] and
            run.ts_ns[fill["bar"]] + run.interval.ns <= moments[-1]
        ]  # fmt: skip
        assert account.fills["symbol"].tolist() == [fill["symbol"] for fill in inside]
        for fill, bar in zip(inside, account.fills["bar"].tolist(), strict=True):
            assert moments[bar] < run.ts_ns[fill["bar"]] + run.interval.ns <= moments[bar + 1]
        assert account.fills["fee_quote"].sum() * base == pytest.approx(
            sum(fill["fee_quote"] for fill in inside)
        )


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), traded_from=st.integers(0, 30))
def test_a_run_alone_keeps_the_metrics_it_was_stored_with(seed, traded_from):
    panel, predictions, _ = replayed(seed, 80)
    predictions[:traded_from] = np.nan
    result = replay(predictions, panel, params_for(panel.interval, 4, cost_multiple=0.1))
    stored = summarise(result, predictions, panel, traded_from=traded_from)
    window = common_window([account_of(result, panel, traded_from=traded_from)])
    (account,) = window.accounts
    found = account_metrics(account)
    assert window.n_bars == 80 - traded_from
    assert (account.n_before, account.n_after) == (0, 0)
    for name, value in found.items():
        assert value == pytest.approx(stored[name], rel=1e-9, abs=1e-12), name


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), split=st.integers(20, 100), is_perpetual=st.booleans())
def test_holding_costs_of_the_parts_add_up_to_those_of_the_run(seed, split, is_perpetual):
    """Shorts that borrow, or perpetuals that pay funding: what the replay booked, cut at any bar."""
    panel, predictions, result = replayed(seed, 120, max_single_weight=0.5)
    if is_perpetual:
        rates = np.where(np.arange(120) % 8 == 7, 1e-3, 0.0)[:, None] * [1.0, -2.0]
        panel = replace(panel, funding=rates)
        result = replay(predictions, panel, replace(result.params, market=Market.PERP))
    whole = account_of(result, panel)
    parts = []
    for rows in (slice(0, split), slice(split, 120)):
        cut = {name: getattr(whole, name)[rows] for name in ("ts_ns", "equity", "weights")}
        rates = None if whole.funding is None else whole.funding[rows]
        one = common_window([whole, replace(whole, **cut, funding=rates)])
        base = equity_at(whole, int(one.moments_ns[0]))
        parts.append(one.accounts[0].holding_quote * base)
    assert sum(parts) == pytest.approx(result.funding_quote.sum(), rel=1e-9, abs=1e-9)
    (alone,) = common_window([whole]).accounts
    assert alone.holding_quote * result.params.capital_quote == pytest.approx(
        result.trades["funding_quote"].sum(), rel=1e-9, abs=1e-9
    )
    assert alone.trades["funding_quote"].sum() == pytest.approx(alone.holding_quote, rel=1e-9, abs=1e-12)


def test_capital_does_not_matter_where_costs_do_not_depend_on_it():
    small, large = (
        account_of(*reversed(replayed(5, 100, capital_quote=capital, impact_coefficient=0.0,
                                      participation_frac=np.inf)[::2]))
        for capital in (1_000.0, 64_000.0)
    )  # fmt: skip
    one, other = common_window([small, large]).accounts
    np.testing.assert_allclose(one.equity, other.equity, rtol=1e-12)
    assert account_metrics(one)["turnover"] == pytest.approx(account_metrics(other)["turnover"], rel=1e-9)


def test_trades_that_end_after_the_window_are_open_in_it():
    panel, _, result = replayed(3, 120)
    whole = account_of(result, panel)
    short_panel, _, short_result = replayed(3, 60)
    cut, _ = common_window([whole, account_of(short_result, short_panel)]).accounts
    for trade in cut.trades:
        was = result.trades[(result.trades["entry_bar"] == trade["entry_bar"])
                            & (result.trades["symbol"] == trade["symbol"])]  # fmt: skip
        expected = {-1 if exit_bar >= 60 else exit_bar for exit_bar in was["exit_bar"].tolist()}
        assert trade["exit_bar"] in expected


def test_what_is_lost_before_the_window_is_refused():
    panel, _, result = replayed(3, 50)
    broke = replace(account_of(result, panel, traded_from=0, name="run 9"), equity=np.full(50, -5.0))
    later = account_of(result, panel, traded_from=10)
    with pytest.raises(ConflictError, match="run 9 has no equity left at 2020-09-13"):
        common_window([broke, later])


def test_bars_with_a_gap_are_refused():
    panel, _, result = replayed(3, 50)
    with pytest.raises(InputError, match="must follow one another on the 1h grid"):
        replace(account_of(result, panel), ts_ns=panel.ts_ns * 2)
    with pytest.raises(InputError, match="must have equity"):
        replace(account_of(result, panel), equity=result.equity[1:])
    with pytest.raises(InputError, match="at least one run"):
        common_window([])
