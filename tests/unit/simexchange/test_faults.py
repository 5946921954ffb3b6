"""Fault plans: what they match, how often, when, and that they repeat."""

import pytest

from marketsentry.simexchange.admin import read_rule
from marketsentry.simexchange.clock import VirtualClock
from marketsentry.simexchange.faults import FaultPlan, FaultRule, VenueFault

ORDERS = "POST /api/v3/brokerage/orders"
LATE, GONE = VenueFault.LATENCY, VenueFault.DROP_BEFORE


def drawn(plan, n, where=ORDERS, kinds=tuple(VenueFault)):
    return [rule.fault if rule else None for rule in (plan.draw(kinds, where) for _ in range(n))]


def test_a_rule_strikes_after_its_skips_and_as_often_as_it_says():
    plan = FaultPlan(now_s=VirtualClock())
    plan.add(FaultRule(LATE, ORDERS, skip=1, times=2, value=0.5))
    assert drawn(plan, 5) == [None, LATE, LATE, None, None]
    assert plan.injected == {"latency": 2}


def test_a_rule_strikes_where_and_when_it_says():
    clock = VirtualClock(100.0)
    plan = FaultPlan(now_s=clock)
    plan.add(FaultRule(LATE, "POST *", from_s=110.0, until_s=120.0))
    assert drawn(plan, 1) == [None]
    clock.advance(10)
    assert drawn(plan, 1) == [LATE]
    assert drawn(plan, 1, "GET /api") == [None]
    assert drawn(plan, 1, kinds=(GONE,)) == [None]
    clock.advance(10)
    assert drawn(plan, 1) == [None]


def test_the_same_seed_gives_the_same_faults_about_as_often_as_told():
    def plan(seed):
        made = FaultPlan(now_s=VirtualClock(), seed=seed)
        made.add(FaultRule(LATE, rate=0.3))
        return drawn(made, 1_000)

    assert plan(1) == plan(1) != plan(2)
    assert 250 < plan(1).count(LATE) < 350


def test_rules_are_read_from_json_and_nonsense_is_not():
    row = {"fault": "latency", "where": ORDERS, "times": 2, "value": 0.5}
    assert read_rule(row) == FaultRule(LATE, ORDERS, times=2, value=0.5)
    for wrong in ({"fault": "magic"}, {"fault": "latency", "chance": 1}):
        with pytest.raises((TypeError, ValueError)):
            read_rule(wrong)


def test_a_cleared_plan_does_nothing_and_remembers():
    plan = FaultPlan(now_s=VirtualClock())
    plan.add(FaultRule(LATE))
    drawn(plan, 3)
    plan.clear()
    assert drawn(plan, 2) == [None, None]
    assert plan.injected == {"latency": 3}
