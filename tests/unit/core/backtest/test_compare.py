import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compared_runs import account_of, compared, renamed, replayed
from marketsentry.core.backtest.common_window import common_window
from marketsentry.core.backtest.compare import ROWS, best_of, compare_runs, shared_trading
from marketsentry.exceptions import InputError

seeds = st.integers(0, 2**32 - 1)


def compare(*runs, **options):
    return compare_runs(runs, **{"n_resamples": 200, **options})


def naive_shared(one, other):
    """Count entries and held cells one by one."""
    entries = [
        {(a.symbols[t["symbol"]], int(t["side"]), int(t["entry_bar"])) for t in a.trades}
        for a in (one, other)
    ]
    held = alike = 0
    for t in range(one.equity.size):
        for symbol in {*one.symbols, *other.symbols}:
            sides = [
                np.sign(a.weights[t, a.symbols.index(symbol)]) if symbol in a.symbols else 0.0
                for a in (one, other)
            ]
            held += any(sides)
            alike += bool(sides[0]) and sides[0] == sides[1]
    either = len(entries[0] | entries[1])
    same = len(entries[0] & entries[1])
    return same, same / either if either else None, alike / held if held else None


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n_bars=st.integers(40, 150))
def test_a_run_against_itself_differs_by_nothing(seed, n_bars):
    run = compared(seed, n_bars)
    result = compare(run, renamed(run, "run 2"))
    assert all(values[0] == values[1] for values in result.metrics.values())
    assert all(best == () for best in result.best.values())
    assert result.differences == {}
    (pair,) = result.pairs
    assert pair.test.excess.value == 0.0
    assert pair.test.excess.p_value in (1.0, None)
    assert pair.excess_p_holm == pair.test.excess.p_value
    if not np.isnan(result.correlation[0, 1]):
        np.testing.assert_allclose(result.correlation, 1.0, rtol=1e-12)
    assert pair.shared.same_entry_frac in (1.0, None)
    assert pair.shared.same_holding_frac in (1.0, None)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, later=st.integers(0, 30))
def test_the_other_order_mirrors_everything(seed, later):
    one = compared(seed, 150)
    other = compared(seed + 1, 150, name="run 2", start=later, fee_bps=1.0)
    there, back = compare(one, other), compare(other, one)
    np.testing.assert_array_equal(there.window.moments_ns, back.window.moments_ns)
    assert {name: values[::-1] for name, values in there.metrics.items()} == dict(back.metrics)
    np.testing.assert_array_equal(there.correlation, back.correlation[::-1, ::-1])
    (a,), (b,) = there.pairs, back.pairs
    assert a.shared == b.shared
    for mine, theirs in ((a.test.excess, b.test.excess), (a.test.sharpe, b.test.sharpe)):
        assert mine.value is None or mine.value == -theirs.value
        assert mine.p_value == theirs.p_value


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n_targets=st.integers(1, 3), interval=st.sampled_from(["1h", "2h"]))
def test_shared_trading_agrees_with_counting(seed, n_targets, interval):
    runs = []
    for i, (targets, bar) in enumerate(((2, "1h"), (n_targets, interval))):
        panel, _, result = replayed(seed, 60, n_targets=targets, interval=bar)
        runs.append(account_of(result, panel, name=f"run {i}"))
    one, other = common_window(runs).accounts
    found = shared_trading(one, other)
    assert (found.n_same_entries, found.same_entry_frac, found.same_holding_frac) == naive_shared(one, other)


def test_several_runs_are_held_against_the_first_and_corrected():
    runs = [compared(seed, 400, name=f"run {seed}", config={"seed": seed}) for seed in range(4)]
    result = compare(*runs)
    raw = [pair.test.excess.p_value for pair in result.pairs]
    adjusted = [pair.excess_p_holm for pair in result.pairs]
    assert [pair.name for pair in result.pairs] == ["run 1", "run 2", "run 3"]
    assert min(adjusted) == pytest.approx(min(1.0, 3 * min(raw)))
    assert result.differences == {"seed": [0, 1, 2, 3]}
    assert set(result.metrics) == set(ROWS)
    document = result.document()
    assert document["window"]["n_bars"] == 400
    assert document["pairs"][0]["excess_frac"]["p_holm"] == adjusted[0]
    assert compare(*runs).document() == document


def test_skill_stands_only_where_the_window_is_all_that_was_traded():
    skill = {"ic": 0.05, "rank_ic": 0.04, "hit_rate": 0.6}
    whole = compared(1, 100, skill=skill)
    longer = compared(2, 130, name="run 2", skill={**skill, "ic": 0.07})
    result = compare(whole, longer)
    assert result.metrics["ic"] == (0.05, None)
    assert result.window.accounts[1].n_after == 30
    assert result.document()["window"]["left_out"] == [{"before": 0, "after": 0}, {"before": 0, "after": 30}]
    assert result.best["ic"] == ()


def test_the_best_is_marked_in_the_direction_that_is_better():
    assert best_of("sharpe", [1.0, None, 2.0, 2.0]) == (2, 3)
    assert best_of("max_drawdown", [0.1, 0.3]) == (0,)
    assert best_of("sharpe", [1.0, 1.0]) == ()
    assert best_of("sharpe", [1.0, None]) == ()
    assert best_of("trades", [1, 2]) == ()


def test_an_account_that_never_traded_is_compared_without_a_sharpe():
    idle = compared(1, 100, name="run 2", cost_multiple=1e6)
    result = compare(compared(1, 100), idle)
    (pair,) = result.pairs
    assert pair.test.sharpe.value is None
    assert pair.test.excess.p_value is not None
    assert np.isnan(result.correlation[0, 1])
    assert result.document()["correlation"][0][1] is None
    assert pair.shared.same_entry_frac == 0.0


def test_one_run_is_no_comparison():
    with pytest.raises(InputError, match="needs 2 to 8 runs, had 1"):
        compare(compared(1, 50))


def test_a_run_with_shorts_shows_what_it_borrowed_for():
    short, flat = (
        compared(3, 150, market=0, borrow_bps_per_day=30.0),
        compared(3, 150, name="run 2", allow_short=False),
    )
    result = compare(short, flat)
    weights, equity = short.account.weights, short.account.equity
    owed = sum(
        -min(weight, 0.0) * equity[t] * 30.0 * 1e-4 / 24.0 for t in range(150) for weight in weights[t]
    )
    assert result.metrics["funding"] == (pytest.approx(owed / short.account.params.capital_quote), 0.0)
    assert result.metrics["funding"][0] > 1e-5
    assert result.best["funding"] == (1,)
    assert "funding" in result.document()["metrics"]
