import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.market.interval import parse_interval
from marketsentry.reports.facts import Lang
from marketsentry.reports.sweep import heat_grid, render_sweep

METRICS = {"sharpe": 1.5, "pnl_after_cost": 0.1, "max_drawdown": 0.05, "turnover": 3.0, "trades": 7}


CHOICE = {"n_settings": 3, "n_blocks": 16, "n_splits": 12_870, "pbo": 0.37, "probability_of_loss": 0.21,
          "degradation_slope": None, "inside_sharpe_median": 2.22, "outside_sharpe_median": 0.44,
          "rank_tenths": [1287] * 10}  # fmt: skip


def document(rows, parameters=("fee_bps", "participation_frac"), plateau=None, overfitting=None):
    columns = [*parameters, "sharpe"]
    best = [{**dict(zip(columns, rows[0], strict=True)), **METRICS, "sharpe": rows[0][-1]}]
    return {
        "request": {"model_name": "<panel>", "model_version": "v1", "targets": ["BTC"]},
        "rank_by": "sharpe",
        "base": params_for(parse_interval("1h"), 4).document(),
        "parameters": list(parameters),
        "columns": columns,
        "rows": rows,
        "best": best,
        "plateau": plateau,
        "overfitting": overfitting,
    }


@pytest.mark.parametrize("lang", list(Lang))
def test_the_page_shows_the_settings_and_what_the_best_stands_on(lang):
    rows = [[1.0, 0.1, 1.25], [2.0, None, None], [2.0, 0.1, -0.5]]
    plateau = {"shape": "peak_alone", "value": 1.25, "n_neighbours": 4, "neighbour_share": 0.31,
               "all_above_zero_frac": 0.5}  # fmt: skip
    html = render_sweep(
        document(rows, plateau=plateau, overfitting=CHOICE), n_trials=4_321, version="0.1", lang=lang
    )

    assert "4,321" in html
    assert "31%" in html
    for shown in ("37%", "21%", "2.22", "0.44", "12,870", "10.0%"):
        assert shown in html, shown
    assert "&lt;panel&gt;:v1" in html
    assert "<panel>" not in html
    assert html.count('class="warm"') == html.count('class="cold"') == 1
    assert "http" not in html.replace("http://www.w3.org", "")
    assert ("alone" in html) is (lang is Lang.EN)


def test_a_page_without_any_value_says_so():
    html = render_sweep(document([[1.0, None]], ("fee_bps",)), n_trials=1, version="0.1", lang=Lang.EN)
    assert "No setting has a value" in html
    assert "There was nothing to choose from" in html


def test_cells_are_medians_over_everything_else():
    rows, columns, grid = heat_grid(
        np.array([1.0, 1.0, 1.0, 2.0]), np.array([5.0, 5.0, 6.0, 6.0]), np.array([1.0, 3.0, np.nan, 9.0])
    )
    assert rows == [(1.0, 1.0), (2.0, 2.0)]
    assert columns == [(5.0, 5.0), (6.0, 6.0)]
    np.testing.assert_array_equal(grid, [[2.0, np.nan], [np.nan, 9.0]])


def test_many_values_are_cut_into_eight_classes():
    values = np.linspace(0.0, 1.0, 100)
    rows, _, grid = heat_grid(values, np.zeros(100), values)
    assert len(rows) == 8
    assert rows[0][0] == 0.0
    assert rows[-1][1] == 1.0
    assert (np.diff(grid[:, 0]) > 0).all()
