import dataclasses

import numpy as np
import pytest

from marketsentry.core.gates.data_quality import QualityLimits, judge_data_quality
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.quality import QualityFacts, measure_quality
from marketsentry.core.market.synthetic import make_market

M5 = parse_interval("5m")
GOOD = QualityFacts(
    window_start_ns=0,
    as_of_ns=864 * M5.ns,
    expected_rows=864,
    total_rows=864,
    n_missing=0,
    n_no_trade=0,
    missing_rate=0.0,
    invalid_price_rate=0.0,
    duplicate_rate=0.0,
    stale_ratio=0.0,
    stale_after_s=900.0,
    freshness_s=0.0,
    jump_rate=0.0,
    longest_gap_s=0.0,
    cross_source_dev_frac=None,
    gaps=(),
)
AT_LIMIT = {
    "missing_rate": (0.02, "missing_rate_exceeded"),
    "invalid_price_rate": (0.005, "invalid_price_rate_exceeded"),
    "duplicate_rate": (0.02, "duplicate_rate_exceeded"),
    "stale_ratio": (0.1, "stale_ratio_exceeded"),
    "freshness_s": (900.0, "freshness_exceeded"),
    "jump_rate": (0.001, "jump_rate_exceeded"),
    "longest_gap_s": (259_200.0, "longest_gap_exceeded"),
    "cross_source_dev_frac": (0.02, "cross_source_deviation_exceeded"),
}


def test_good_data_passes_with_the_contract_keys():
    verdict = judge_data_quality(GOOD, QualityLimits())
    assert verdict.passed
    assert verdict.reasons == ()
    keys = list(verdict.result)
    assert keys[:6] == [
        "total_rows",
        "missing_rate",
        "invalid_price_rate",
        "duplicate_rate",
        "stale_ratio",
        "quality_passed",
    ]
    assert verdict.result["quality_passed"] == 1


@pytest.mark.parametrize("figure", AT_LIMIT)
def test_each_limit_holds_at_the_limit_and_blocks_beyond_and_on_nan(figure):
    limit, code = AT_LIMIT[figure]
    assert judge_data_quality(dataclasses.replace(GOOD, **{figure: limit}), QualityLimits()).passed
    for bad in (np.nextafter(limit, np.inf), np.nan):
        verdict = judge_data_quality(dataclasses.replace(GOOD, **{figure: bad}), QualityLimits())
        assert not verdict.passed
        assert verdict.reasons == (code,)
        assert verdict.result["quality_passed"] == 0


def test_too_few_rows_have_their_own_reason():
    assert judge_data_quality(dataclasses.replace(GOOD, total_rows=200), QualityLimits()).passed
    verdict = judge_data_quality(dataclasses.replace(GOOD, total_rows=199), QualityLimits())
    assert verdict.reasons == ("min_rows_not_met",)


def test_no_data_is_not_a_pass():
    empty = make_market(seed=1, symbols=("BTC",), interval=M5, n_bars=1).series[0]
    verdict = judge_data_quality(measure_quality(empty, as_of_ns=0, window_ns=M5.ns * 300), QualityLimits())
    assert "missing_rate_exceeded" in verdict.reasons
    assert "min_rows_not_met" in verdict.reasons
    assert verdict.result["freshness_s"] is None


def test_injected_gaps_block_the_whole_range_though_the_last_window_is_clean():
    series = make_market(seed=1, symbols=("BTC",), interval=M5, n_bars=10_000).series[0]
    keep = np.ones(10_000, bool)
    keep[2_000:2_400] = False
    gapped = dataclasses.replace(series, ts_ns=series.ts_ns[keep], values=series.values[keep])
    end = int(series.ts_ns[-1]) + M5.ns
    recent = measure_quality(gapped, as_of_ns=end, window_ns=72 * 3_600 * 10**9)
    whole = measure_quality(gapped, as_of_ns=end)
    assert judge_data_quality(recent, QualityLimits()).passed
    assert judge_data_quality(whole, QualityLimits()).reasons == ("missing_rate_exceeded",)


def test_every_check_shows_its_value_beside_its_limit():
    verdict = judge_data_quality(dataclasses.replace(GOOD, missing_rate=0.05), QualityLimits())
    failed = [check for check in verdict.checks if not check.passed]
    assert [(check.name, check.value, check.limit) for check in failed] == [("missing_rate", 0.05, 0.02)]
