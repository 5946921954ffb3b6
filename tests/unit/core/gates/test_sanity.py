"""The sanity review: for each finding a market made to trigger it, and one that does not."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.backtest.plateau import Plateau, measure_plateau
from marketsentry.core.backtest.replay import replay
from marketsentry.core.evidence.sanity import SanityFacts, measure_sanity
from marketsentry.core.gates.leak import LeakEvidence, MeasuredIc
from marketsentry.core.gates.sanity import SanityLimits, Severity, judge_sanity, severity_of
from marketsentry.core.gates.verdict import GateCheck, GateVerdict, Outcome, verdict_from_document
from marketsentry.core.market.bars import BarPanel, BarState
from marketsentry.core.market.interval import parse_interval

HOUR = parse_interval("1h")
N_BARS, N_SYMBOLS = 2_400, 4
SOUND_IC = (MeasuredIc(0.03, 600),)
LIMITS = SanityLimits()


def market(*, n_bars: int = N_BARS, n_symbols: int = N_SYMBOLS, deviation: float = 0.01) -> BarPanel:
    """A quiet random walk that trades in every bar; the last symbol is delisted two days before the end."""
    rng = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, deviation, (n_bars, n_symbols)), axis=0))
    opened = np.vstack((np.full(n_symbols, 100.0), close[:-1]))
    values = np.empty((n_bars, n_symbols, 5))
    values[:, :, 0], values[:, :, 3] = opened, close
    values[:, :, 1], values[:, :, 2] = np.maximum(opened, close) * 1.002, np.minimum(opened, close) * 0.998
    values[:, :, 4] = 1e9
    state = np.full(close.shape, BarState.TRADED, dtype=np.uint8)
    if n_symbols > 1:
        state[-48:, -1], values[-48:, -1] = BarState.UNLISTED, np.nan
    ts_ns = 1_600_000_200 // 3_600 * HOUR.ns + np.arange(n_bars, dtype=np.int64) * HOUR.ns
    symbols = tuple(f"S{n}" for n in range(n_symbols))
    return BarPanel(symbols, HOUR, ("synthetic",) * n_symbols, ts_ns, values, state)


def foresight(panel: BarPanel, *, skill: float = 0.05, seed: int = 5, hold: int = 12) -> np.ndarray:
    """Forecasts of the next hours with a chosen skill, renewed twice a day."""
    rng = np.random.default_rng(seed)
    future = np.full(panel.close.shape, np.nan)
    future[: -hold - 1] = panel.close[hold + 1 :] / panel.close[1:-hold] - 1.0
    told = skill * np.nan_to_num(future) + (1.0 - skill**2) ** 0.5 * rng.normal(0.0, 0.03, future.shape)
    kept: np.ndarray = told[np.arange(panel.n_bars) // hold * hold]
    return kept


def reviewed(
    panel: BarPanel,
    predictions: np.ndarray,
    params: ReplayParams | None = None,
    *,
    ics: tuple[MeasuredIc, ...] = SOUND_IC,
    traded_from: int = 0,
    plateau: Plateau | None = None,
    leak: LeakEvidence | None = None,
) -> GateVerdict:
    account = replay(predictions, panel, params or params_for(HOUR, 12))
    facts = measure_sanity(account, panel, ics, traded_from=traded_from, plateau=plateau, leak=leak)
    return judge_sanity(facts, LIMITS)


def check_of(verdict: GateVerdict, name: str) -> GateCheck:
    return next(check for check in verdict.checks if check.name == name)


@cache
def sound() -> GateVerdict:
    panel = market()
    return reviewed(panel, foresight(panel, skill=0.12))


def test_a_sound_result_is_believed_and_what_was_not_measured_is_told() -> None:
    verdict = sound()
    assert verdict.outcome is Outcome.PASS, verdict.reasons
    assert [check.name for check in verdict.checks if not check.passed] == ["plateau_share"]
    assert verdict.notes == (
        "plateau_share was not measured, must be >= 0.5: not measured: no sweep around the setting was made",
    )
    assert verdict_from_document(verdict.document()) == verdict


def impossible_sharpe() -> GateVerdict:
    panel = market()
    return reviewed(panel, foresight(panel, skill=0.9))


def impossible_growth() -> GateVerdict:
    panel = market(deviation=0.03)
    bold = params_for(HOUR, 12, position_volatility_frac=None, max_single_weight=1.0, max_gross_exposure=4.0,
                      max_turnover=8.0, risk_budget=4.0, max_sector_exposure=9.0, max_style_exposure=9.0)  # fmt: skip
    return reviewed(panel, foresight(panel, skill=0.6), bold)


def impossible_bar() -> GateVerdict:
    panel = market()
    values = panel.values.copy()
    values[1_200:, 0, :4] *= 6.0
    panel = replace(panel, values=values)
    told = foresight(panel, skill=0.05)
    told[1_150:1_210, 0] = 0.5
    return reviewed(panel, told, params_for(HOUR, 12, position_volatility_frac=None))


def free_lunch() -> GateVerdict:
    panel = market()
    free = params_for(HOUR, 12, fee_bps=0.0, half_spread_bps=0.0, impact_coefficient=0.0)
    return reviewed(panel, foresight(panel, skill=0.12), free)


def stale() -> GateVerdict:
    panel = market()
    values = panel.values.copy()
    for start in range(40, N_BARS - 60, 12):  # the price stands still before it is traded, then jumps
        values[start - 6 : start + 2, :3, :4] = values[start - 7 : start - 6, :3, 3:4]
    panel = replace(panel, values=values)
    told = foresight(panel, skill=0.05)
    return reviewed(panel, told[(np.arange(N_BARS) - 4) // 12 * 12 + 4])


def incredible_ic() -> GateVerdict:
    panel = market()
    return reviewed(panel, foresight(panel, skill=0.12), ics=(MeasuredIc(0.9, 1_000),))


def leaking() -> GateVerdict:
    panel = market()
    blind = LeakEvidence((), 0.0, 0, 0, is_deterministic=True, n_cuts=3, canary_caught=False)
    return reviewed(panel, foresight(panel, skill=0.12), leak=blind)


def alone() -> GateVerdict:
    panel = market()
    peak = measure_plateau(np.array([0.1, 2.0, 0.2]), np.array([[0.0], [1.0], [2.0]]), is_grid=True)
    return reviewed(panel, foresight(panel, skill=0.12), plateau=peak)


def few_trades() -> GateVerdict:
    panel = market()
    told = np.full(panel.close.shape, np.nan)
    told[100:700:100] = foresight(panel, skill=0.3)[100:700:100]
    return reviewed(panel, told)


def lucky_trade() -> GateVerdict:
    """Hundreds of trades of no skill, and one that was held through a month of steady rise."""
    panel = market()
    values = panel.values.copy()
    rise = np.exp(np.minimum(np.maximum(np.arange(N_BARS) - 1_200, 0), 700) * 0.004)
    values[:, 0, :4] *= rise[:, None]
    panel = replace(panel, values=values)
    told = foresight(panel, skill=0.0)
    told[:, 0] = np.nan
    told[1_190:1_910, 0] = 0.5
    return reviewed(panel, told, params_for(HOUR, 12, position_volatility_frac=None, max_single_weight=0.1))


def lucky_day() -> GateVerdict:
    panel = market()
    values = panel.values.copy()
    values[:, :3, :4] *= np.exp(np.minimum(np.maximum(np.arange(N_BARS) - 1_204, 0), 20) * 0.03)[
        :, None, None
    ]
    panel = replace(panel, values=values)
    told = foresight(panel, skill=0.0)
    told[1_200:1_230] = 0.5
    return reviewed(panel, told, params_for(HOUR, 12, borrow_bps_per_day=0.0))


@pytest.mark.parametrize(
    ("made", "name", "outcome"),
    [
        (impossible_sharpe, "sharpe_plausible", Outcome.FAIL),
        (impossible_growth, "annual_return_plausible", Outcome.FAIL),
        (impossible_bar, "bar_return_plausible", Outcome.FAIL),
        (incredible_ic, "ic_plausible", Outcome.FAIL),
        (free_lunch, "costs_charged", Outcome.FAIL),
        (stale, "stale_notional_frac", Outcome.FAIL),
        (leaking, "canary_caught", Outcome.FAIL),
        (alone, "plateau_share", Outcome.FAIL),
        (few_trades, "n_trades", Outcome.INSUFFICIENT_OBSERVATION),
        (lucky_trade, "best_trade_share", Outcome.INSUFFICIENT_OBSERVATION),
        (lucky_day, "best_day_share", Outcome.INSUFFICIENT_OBSERVATION),
    ],
)
def test_what_blocks(made: Callable[[], GateVerdict], name: str, outcome: Outcome) -> None:
    verdict = made()
    found, before = check_of(verdict, name), [check for check in sound().checks if check.name == name]
    assert not found.passed, str(found)
    assert found.value is not None
    assert severity_of(found) is (Severity.BLOCKS if outcome is Outcome.FAIL else Severity.TOO_FEW)
    assert verdict.outcome is outcome, verdict.reasons
    assert any(reason.startswith(name) for reason in verdict.reasons)
    assert all(check.passed or check.value is None for check in before), (
        "the sound market does not trigger it"
    )


def wicks() -> GateVerdict:
    panel = market()
    values = panel.values.copy()
    at = np.arange(1, N_BARS - 60, 12)
    values[at, :3, 1] *= 1.3
    return reviewed(replace(panel, values=values), foresight(panel, skill=0.12))


def gaps() -> GateVerdict:
    panel = market()
    values, state = panel.values.copy(), panel.state.copy()
    for start in range(24, N_BARS - 60, 12):
        state[start + 3 : start + 11, :3], values[start + 3 : start + 11, :3] = BarState.LOST, np.nan
    return reviewed(replace(panel, values=values, state=state), foresight(panel, skill=0.12))


def survivors() -> GateVerdict:
    panel = market()
    values, state = panel.values.copy(), panel.state.copy()
    values[-48:, -1], state[-48:, -1] = values[-49, -1], BarState.TRADED
    return reviewed(replace(panel, values=values, state=state), foresight(panel, skill=0.12))


def one_symbol() -> GateVerdict:
    panel = market()
    told = foresight(panel, skill=0.12)
    told[:, 1:] = foresight(panel, skill=0.0)[:, 1:] * np.array([0.0, 0.0, 1.0])
    return reviewed(panel, told)


def best_days() -> GateVerdict:
    """Skill on one day in a hundred, costs on all the others."""
    panel = market()
    told = foresight(panel, skill=0.0)
    for start in range(240, N_BARS - 60, 1_000):
        told[start : start + 24] = foresight(panel, skill=1.0)[start : start + 24]
    return reviewed(panel, told)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (wicks, "wick_notional_frac"),
        (gaps, "gap_pnl_share"),
        (survivors, "delisted_frac"),
        (one_symbol, "best_symbol_share"),
        (best_days, "pnl_without_best_days_frac"),
    ],
)
def test_what_warns(made: Callable[[], GateVerdict], name: str) -> None:
    verdict = made()
    found = check_of(verdict, name)
    assert not found.passed, str(found)
    assert found.value is not None
    assert severity_of(found) is Severity.WARNS
    assert not any(reason.startswith(name) for reason in verdict.reasons)
    assert any(note.startswith(name) for note in verdict.notes)
    assert check_of(sound(), name).passed


def test_survivorship_tells_who_was_there() -> None:
    assert check_of(survivors(), "delisted_frac").detail == (
        "of 4 symbols 4 were listed on the first day and 4 on the last"
    )
    assert check_of(sound(), "delisted_frac").value == 0.25


def test_a_losing_or_idle_account_has_no_shares_of_a_gain() -> None:
    panel = market()
    idle = reviewed(panel, np.full(panel.close.shape, np.nan), ics=())
    assert idle.outcome is Outcome.INSUFFICIENT_OBSERVATION
    unmeasured = {check.name for check in idle.checks if check.value is None}
    assert unmeasured == {
        "sharpe_plausible",
        "annual_return_plausible",
        "costs_charged",
        "stale_notional_frac",
        "wick_notional_frac",
        "gap_pnl_share",
        "best_trade_share",
        "best_day_share",
        "best_symbol_share",
        "plateau_share",
    }
    assert {reason.split()[0] for reason in idle.reasons} == {"n_trades"}


@pytest.mark.parametrize("name", ["sure_sharpe", "best_bar_return_frac", "cost_bps", "best_day_share"])
def test_a_figure_that_is_not_a_number_does_not_pass(name: str) -> None:
    panel = market()
    facts = measure_sanity(replay(foresight(panel), panel, params_for(HOUR, 12)), panel, SOUND_IC)
    assert judge_sanity(replace(facts, **{name: float("nan")}), LIMITS).outcome is not Outcome.PASS


def test_rows_that_only_warm_up_do_not_count() -> None:
    panel = market()
    told = foresight(panel, skill=0.12)
    told[:480] = np.nan
    whole = replay(told, panel, params_for(HOUR, 12))
    facts = measure_sanity(whole, panel, SOUND_IC, traded_from=480)
    assert facts.n_days == (N_BARS - 480) // 24 + 1
    assert facts.n_trades == measure_sanity(whole, panel, SOUND_IC).n_trades


def naive_facts(panel: BarPanel, told: np.ndarray) -> tuple[SanityFacts, dict[str, float]]:
    """The shares again, fill by fill and bar by bar in plain Python."""
    account = replay(told, panel, params_for(HOUR, 12))
    stale, wick, total = 0.0, 0.0, 0.0
    spread = (panel.values[:, :, 1] / panel.values[:, :, 2] - 1.0).T
    median = [float(np.median(own[panel.state[:, n] == BarState.TRADED])) for n, own in enumerate(spread)]
    for fill in account.fills:
        t, n, notional = int(fill["bar"]), int(fill["symbol"]), float(fill["qty"] * fill["reference_price"])
        total += notional
        stands = t >= 4 and len({float(one) for one in panel.close[t - 4 : t, n]}) == 1
        stale += notional if stands or panel.state[t, n] == BarState.NO_TRADE else 0.0
        wick += notional if spread[n][t] > 10.0 * median[n] else 0.0
    days: dict[int, float] = {}
    before = account.params.capital_quote
    for at, equity in zip(panel.ts_ns, account.equity, strict=True):
        days[int(at) // (24 * HOUR.ns)] = days.get(int(at) // (24 * HOUR.ns), 0.0) + equity - before
        before = equity
    net = account.equity[-1] - account.params.capital_quote
    n_best = -(-len(days) // 100)
    gains = sorted(days.values())
    closed = [float(one["pnl_quote"]) for one in account.trades if one["exit_bar"] >= 0]
    return measure_sanity(account, panel, SOUND_IC), {
        "stale_notional_frac": stale / total,
        "wick_notional_frac": wick / total,
        "best_trade_share": max(closed) / net,
        "best_day_share": gains[-1] / net,
        "pnl_without_best_days_frac": sum(gains[:-n_best]) / account.params.capital_quote,
        "best_symbol_share": float(account.pnl_quote.max()) / net,
    }


def test_figures_agree_with_a_loop_over_fills_and_bars() -> None:
    panel = market()
    values = panel.values.copy()
    values[500:900, 1, :4] = values[500, 1, 3]
    values[1_000:1_200:3, 0, 1] *= 1.5
    facts, expected = naive_facts(replace(panel, values=values), foresight(panel, skill=0.3))
    assert expected["stale_notional_frac"] > 0.0
    assert expected["wick_notional_frac"] > 0.0
    for name, value in expected.items():
        assert getattr(facts, name) == pytest.approx(value, rel=1e-9), name
