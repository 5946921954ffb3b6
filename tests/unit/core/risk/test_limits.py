import math

import pytest

from marketsentry.core.risk.limits import BreakerLimits, HourRule, RiskLimits, limits_changed
from marketsentry.core.risk.profiles import BucketCaps
from marketsentry.exceptions import InputError


def test_equal_limits_share_a_version_and_others_do_not():
    assert RiskLimits().version == RiskLimits(bucket_caps=BucketCaps()).version
    changed = (
        RiskLimits(max_turnover=0.3),
        RiskLimits(bucket_caps=BucketCaps({"trend": 0.4})),
        RiskLimits(breaker=BreakerLimits(by_hour=(HourRule(22, 3, 1.2),))),
    )
    assert len({limits.version for limits in (RiskLimits(), *changed)}) == 4


def test_what_changed_is_named():
    before, after = RiskLimits().document(), RiskLimits(max_turnover=0.3).document()
    assert limits_changed(before, after) == {"max_turnover": (0.35, 0.3)}


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["max_single_weight", "max_drawdown", "max_daily_loss", "max_turnover"])
def test_a_limit_that_is_none_is_refused(name, wrong):
    with pytest.raises(InputError, match=f"{name} must be >= 0 and finite"):
        RiskLimits(**{name: wrong})


@pytest.mark.parametrize("wrong", [0, 1441])
def test_the_block_time_is_bounded(wrong):
    with pytest.raises(InputError, match=r"hard_block_minutes must be 1\.\.1440"):
        RiskLimits(hard_block_minutes=wrong)


def test_the_first_rule_that_covers_an_hour_counts():
    limits = BreakerLimits(0.06, (("BTC", 0.05),), (HourRule(22, 3, 2.0), HourRule(0, 23, 0.5)))
    assert [limits.threshold("ETH", hour) for hour in (22, 3, 4, 21)] == [0.12, 0.12, 0.03, 0.03]
    assert limits.threshold("btc", 23) == 0.1
