from datetime import UTC, datetime, timedelta

import numpy as np

from marketsentry.core.risk.breaker import judge_volatility
from marketsentry.core.risk.check import RiskRequest, judge
from marketsentry.core.risk.codes import GLOBAL, Rule
from marketsentry.core.risk.explain import (
    explain_losses,
    explain_switch,
    explain_violations,
    explain_volatility,
)
from marketsentry.core.risk.hard_rules import LossFigures
from marketsentry.core.risk.kill_switch import Source, Trigger, apply_trigger, effective_switch
from marketsentry.core.risk.limits import BreakerLimits, RiskLimits
from marketsentry.core.risk.positions import Position

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_block_says_who_pulled_it_and_what_ends_it():
    row = apply_trigger(
        None,
        Trigger(
            "liquid",
            GLOBAL,
            "drawdown_exceeded",
            Source.AUTOMATIC,
            expires_at=NOW + timedelta(minutes=1),
            until_cleared=frozenset({Rule.DRAWDOWN}),
        ),
        now=NOW,
    ).after
    (fact,) = explain_switch(effective_switch([row], track="liquid", strategy_id="mine", now=NOW))
    assert fact.code == "kill_switch_triggered:liquid:global"
    assert fact.inputs == (
        "reason drawdown_exceeded",
        "pulled by a rule",
        "mode reduce_only",
        "waits for drawdown",
    )
    assert fact.clears == (
        "equity recovers above the limit and 2026-03-01T00:01:00Z is past; "
        "or `ms risk reset liquid --strategy global`"
    )


def test_losses_stand_beside_their_limits():
    facts = explain_losses("liquid", LossFigures(0.3, 0.05, 2), RiskLimits())
    assert [(fact.code, fact.figure, fact.limit) for fact in facts] == [
        ("drawdown_exceeded", 0.3, 0.2),
        ("daily_loss_exceeded", 0.05, 0.03),
    ]


def test_every_rule_has_its_words():
    lines = [Position(f"A{n}", 0.9, "liquid", f"s{n % 2}", "y", "trend") for n in range(7)]
    request = RiskRequest(tuple(lines), figures={"liquid": LossFigures(1, 1, 9)}, risk_budget=9.0)
    found = judge(request, RiskLimits(max_style_exposure=0.4), {})
    facts = explain_violations(found.violations)
    assert {fact.rule for fact in facts} == set(Rule) - {Rule.KILL_SWITCH}
    assert all(fact.inputs[0] and fact.clears and fact.figure > fact.limit for fact in facts)


def test_volatility_says_what_is_missing():
    none = np.array([], dtype=np.int64)
    verdict = judge_volatility("BTC", none, none.astype(float), now=NOW, limits=BreakerLimits())
    (fact,) = explain_volatility([verdict])
    assert (fact.code, fact.figure) == ("insufficient_market_data:BTC", None)
    assert fact.inputs == ("0 prices of the last two days",)
