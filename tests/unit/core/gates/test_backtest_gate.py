import pytest

from marketsentry.core.gates.backtest import judge_windows

GOOD = {"ic": 0.01, "pnl_after_cost": 0.01, "max_drawdown": 0.05}


def _windows(*changes):
    return [{"index": k, **GOOD, **change} for k, change in enumerate(changes)]


def test_three_good_windows_pass_whatever_came_before():
    assert judge_windows(_windows({"ic": -1.0}, {}, {}, {})).outcome == "pass"


def test_too_few_windows_are_insufficient():
    assert judge_windows(_windows({}, {})).outcome == "insufficient_observation"
    assert judge_windows([]).outcome == "insufficient_observation"


@pytest.mark.parametrize(
    "bad",
    [{"ic": -0.01}, {"ic": None}, {"pnl_after_cost": -0.1}, {"max_drawdown": 0.21}, {"pnl_after_cost": None}],
)
def test_one_bad_window_fails(bad):
    verdict = judge_windows(_windows({}, bad, {}))
    assert verdict.outcome == "fail"
    assert f"{next(iter(bad))}[1]" in verdict.reasons[0]


def test_the_limits_are_inclusive():
    edge = {"ic": 0.0, "pnl_after_cost": 0.0, "max_drawdown": 0.2}
    assert judge_windows(_windows(edge, edge, edge)).outcome == "pass"
