import json
import re
from dataclasses import replace

import numpy as np

from marketsentry.reports import svg
from marketsentry.reports.charts import drawdown_frac, signed_bar, waterfall
from marketsentry.reports.equity import equity_chart
from marketsentry.reports.facts import Lang
from marketsentry.reports.scales import Scale
from marketsentry.reports.texts import texts
from unit.reports.samples import sample_run


def chart(values, spans=()):
    ts_ns = np.arange(len(values), dtype=np.int64) * 60_000_000_000
    series = svg.Series("x", np.array(values, dtype=np.float64), "money", "equity", fill_from=0.0)
    panel = svg.Panel(100, Scale(0.0, 10.0, (0.0, 5.0, 10.0)), str, (series,), baseline=5.0)
    return svg.draw(svg.TimeChart(ts_ns, (panel,), ((0, "now"),), "label", spans=spans, head=0))


def points(drawn):
    return json.loads(re.search(r'json">(.*?)</script>', drawn)[1])


def test_curve_lies_where_its_values_are():
    drawn = chart([0.0, 5.0, 10.0])
    assert 'd="M0.0 100.0L500.0 50.0L1000.0 0.0"' in drawn


def test_a_hole_interrupts_the_curve_and_its_area():
    drawn = chart([0.0, 5.0, float("nan"), 5.0, 5.0])
    curve, area = (
        re.search(r'curve equity" d="([^"]*)"', drawn)[1],
        re.search(r'area equity" d="([^"]*)"', drawn)[1],
    )
    assert curve == "M0.0 100.0L250.0 50.0M750.0 50.0L1000.0 50.0"
    assert area.count("Z") == 2


def test_a_lone_point_is_visible():
    assert 'd="M500.0 50.0h0.1"' in chart([5.0])


def test_read_out_has_the_exact_values_and_null_for_unknown():
    data = points(chart([1.2345678, float("nan"), 3.0]))
    assert data["series"][0]["values"] == [1.234568, None, 3.0]
    assert data["x"] == [0, 500, 1000]
    assert data["at"][1] == "1970-01-01 00:01"


def test_read_out_data_cannot_end_its_script():
    span = svg.Span(0, 60_000_000_000, "odd", "</script><b>", ((0, "name", "<i>"),))
    drawn = chart([1.0, 2.0, 3.0], (span,))
    assert "</script><b>" not in drawn
    assert points(drawn)["spans"] == [{"from": 0, "to": 500, "text": "</script><b>"}]
    assert "&lt;i&gt;" in drawn


def test_drawdown_is_a_positive_fraction_of_the_peak_so_far():
    down = drawdown_frac(np.array([100.0, 120.0, 90.0, np.nan, 120.0]))
    np.testing.assert_allclose(down, [0.0, 0.0, 0.25, np.nan, 0.0])


def test_bars_share_one_axis_with_zero():
    bar = signed_bar(-5.0, [-5.0, 15.0, None])
    assert 'class="loss" x="0.00%"' in bar
    assert 'width="25.00%"' in bar
    assert 'x1="25.00%"' in bar
    assert signed_bar(None, [1.0]) is None


def test_waterfall_steps_hang_on_one_another():
    gross, fee, net = waterfall([(0.0, 10.0, "gain"), (10.0, 4.0, "cost"), (0.0, 4.0, "gain")])
    assert 'x="0.00%" y="2" width="100.00%"' in gross
    assert 'x="40.00%" y="2" width="60.00%"' in fee
    assert 'x="0.00%" y="2" width="40.00%"' in net


def test_narrow_folds_keep_their_number_or_nothing():
    run = sample_run(n_folds=8)
    first = run.bands[0]
    width = run.curve.ts_ns[-1] - run.curve.ts_ns[0]
    sliver = replace(first, test_end_ns=int(first.test_start_ns + width * 0.01))
    slim = replace(first, test_end_ns=int(first.test_start_ns + width * 0.05))
    for band, names in ((first, ["1", "Fold 1"]), (slim, ["1"]), (sliver, [])):
        drawn = equity_chart(replace(run, bands=(band,)), text=texts(Lang.EN), lang=Lang.EN)
        assert re.findall(r'<text class="name[^>]*>([^<]*)', drawn) == 2 * names
