"""Contract 1.5: blocks combine and never weaken, and answers describe the row that blocks (K-34, K-36, K-41)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.risk.codes import GLOBAL, Rule
from marketsentry.core.risk.hard_rules import HardTrigger, next_utc_day
from marketsentry.core.risk.kill_switch import (
    Action,
    Mode,
    Source,
    SwitchState,
    Trigger,
    apply_release,
    apply_reset,
    apply_trigger,
    effective_switch,
)
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.exceptions import InputError

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


def minutes(count):
    return NOW + timedelta(minutes=count)


def trigger(reason="because", *, scope=GLOBAL, until=None, source=Source.MANUAL, **rest):
    return Trigger("liquid", scope, reason, source, expires_at=until, **rest)


def automatic(reason="drawdown_exceeded", *, until, **rest):
    return trigger(reason, until=until, source=Source.AUTOMATIC, **rest)


def pulled(*wanted, now=NOW):
    row = None
    for one in wanted:
        row = apply_trigger(row, one, now=now).after
    return row


def in_force(*rows, strategy_id="mine", now=NOW):
    return effective_switch(rows, track="liquid", strategy_id=strategy_id, now=now)


def test_no_row_is_armed_and_not_set():
    found = in_force()
    assert (found.state, found.reason, found.triggered, found.code) == (
        SwitchState.ARMED,
        "not_set",
        False,
        None,
    )
    assert (found.updated_at, found.expires_at, found.remaining_seconds, found.mode) == (None, None, 0, None)


def test_the_whole_track_blocks_a_strategy_that_has_no_row():
    found = in_force(pulled(trigger(until=minutes(5))), now=NOW + timedelta(seconds=0.5))
    assert found.code == "kill_switch_triggered:liquid:global"
    assert (found.triggered, found.expires_at, found.remaining_seconds) == (True, minutes(5), 299)
    assert found.mode is Mode.REDUCE_ONLY


def test_the_strategy_is_named_when_both_block():
    own = pulled(trigger("own", scope="mine", until=minutes(1)))
    whole = pulled(trigger("whole", mode=Mode.FLATTEN))
    found = in_force(whole, own)
    assert (found.code, found.reason) == ("kill_switch_triggered:liquid:mine", "own")
    assert [block.scope for block in found.blocks] == ["mine", GLOBAL]
    assert found.mode is Mode.FLATTEN
    later = in_force(whole, own, now=minutes(1))
    assert (later.code, later.reason) == ("kill_switch_triggered:liquid:global", "whole")
    assert in_force(own, whole, strategy_id="other").code == "kill_switch_triggered:liquid:global"
    assert in_force(own, strategy_id=GLOBAL).code is None


def test_expiry_counts_as_off_without_a_write():
    row = pulled(trigger(until=minutes(5)))
    assert in_force(row, now=minutes(5) - timedelta(microseconds=1)).triggered
    found = in_force(row, now=minutes(5), strategy_id=GLOBAL)
    assert (found.state, found.triggered, found.expires_at) == (SwitchState.ARMED, False, None)
    assert found.reason == "because"


def test_a_rule_does_not_shorten_what_a_person_left_open():
    """K-34."""
    open_ended = pulled(trigger("stop everything", metadata={"source": "manual"}))
    change = apply_trigger(open_ended, automatic(until=minutes(1)), now=NOW)
    assert change.action is Action.KEPT
    assert change.after == open_ended


def test_a_rule_extends_a_block_and_keeps_the_reason_of_a_person():
    row = pulled(trigger("mine", until=minutes(5)))
    change = apply_trigger(row, automatic(until=minutes(60), until_cleared={Rule.DRAWDOWN}), now=NOW)
    assert change.action is Action.EXTENDED
    assert (change.after.reason, change.after.source) == ("mine", Source.MANUAL)
    assert change.after.expires_at == minutes(60)
    assert change.after.until_cleared == {Rule.DRAWDOWN}


def test_a_person_cannot_weaken_by_triggering():
    row = pulled(trigger("for good"), trigger("for a while", until=minutes(5), mode=Mode.NO_NEW))
    assert (row.expires_at, row.reason, row.mode) == (None, "for good", Mode.REDUCE_ONLY)


def test_a_new_block_starts_when_the_old_one_is_over():
    old = pulled(trigger("old", until=minutes(1), mode=Mode.FLATTEN))
    change = apply_trigger(old, trigger("new", until=minutes(9)), now=minutes(2))
    assert change.action is Action.TRIGGERED
    assert (change.after.reason, change.after.mode) == ("new", Mode.REDUCE_ONLY)
    assert change.after.triggered_at == minutes(2)


def test_a_reset_arms_one_scope():
    whole, own = pulled(trigger()), pulled(trigger(scope="mine"))
    change = apply_reset(own, track="liquid", scope="mine", reason="all clear", now=NOW, metadata={})
    assert change.action is Action.RESET
    assert in_force(change.after, strategy_id="mine").reason == "all clear"
    assert in_force(whole, change.after).code == "kill_switch_triggered:liquid:global"


def test_a_hard_block_stays_while_the_breach_does():
    """K-41."""
    row = pulled(automatic(until=minutes(1), until_cleared=frozenset({Rule.DRAWDOWN})))
    found = in_force(row, now=minutes(600))
    assert (found.triggered, found.expires_at, found.remaining_seconds) == (True, None, 0)
    change = apply_release(row, {Rule.DRAWDOWN}, now=minutes(600))
    assert change.action is Action.RELEASED
    assert not in_force(change.after, now=minutes(600)).triggered
    assert in_force(apply_release(row, {Rule.DRAWDOWN}, now=NOW).after).triggered, "not before its time"
    assert apply_release(row, {Rule.CONSECUTIVE_LOSS}, now=NOW).action is Action.KEPT


def test_the_end_of_a_breach_does_not_end_what_a_person_wants():
    row = pulled(automatic(until=minutes(1), until_cleared=frozenset({Rule.DRAWDOWN})), trigger("person"))
    assert in_force(apply_release(row, {Rule.DRAWDOWN}, now=NOW).after, now=minutes(999)).triggered


def test_a_daily_loss_blocks_until_the_next_utc_day():
    limits = RiskLimits(hard_block_minutes=1)
    day = HardTrigger("liquid", GLOBAL, (Rule.DAILY_LOSS,))
    assert day.expires_at(NOW, limits) == datetime(2026, 3, 2, tzinfo=UTC)
    assert day.until_cleared == ()
    assert day.expires_at(NOW, RiskLimits(hard_block_minutes=45)) == minutes(45)
    streak = HardTrigger("liquid", "mine", (Rule.CONSECUTIVE_LOSS,))
    assert streak.expires_at(NOW, limits) == minutes(1)
    assert streak.until_cleared == (Rule.CONSECUTIVE_LOSS,)
    east = datetime.fromisoformat("2026-03-01T23:30:00+09:00")
    assert next_utc_day(east) == datetime(2026, 3, 2, tzinfo=UTC)


def test_a_trigger_of_another_scope_is_refused():
    with pytest.raises(InputError, match="cannot change the row"):
        apply_trigger(pulled(trigger()), trigger(scope="mine"), now=NOW)


def test_modes_are_ordered_and_each_blocks_openings():
    assert sorted(Mode, key=lambda mode: mode.severity) == [Mode.NO_NEW, Mode.REDUCE_ONLY, Mode.FLATTEN]
    assert [mode.cancels_openings for mode in Mode] == [False, True, True]
    assert [mode.demands_closing for mode in Mode] == [False, False, True]
    assert all(in_force(pulled(trigger(mode=mode))).triggered for mode in Mode)


# --- for any triggers ----------------------------------------------------------------------------------------

triggers_any = st.builds(
    trigger,
    st.sampled_from(["a", "b", "c"]),
    until=st.one_of(st.none(), st.integers(1, 300).map(minutes)),
    source=st.sampled_from(Source),
    mode=st.sampled_from(Mode),
    until_cleared=st.frozensets(st.sampled_from([Rule.DRAWDOWN, Rule.CONSECUTIVE_LOSS])),
)


def strength(row):
    """All that decides what is blocked, and for how long."""
    return row.state, row.mode, row.expires_at, row.until_cleared, row.source


@given(st.lists(triggers_any, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_triggers_does_not_change_what_is_blocked(wanted, random):
    shuffled = list(wanted)
    random.shuffle(shuffled)
    assert strength(pulled(*wanted)) == strength(pulled(*shuffled))


@given(triggers_any)
def test_the_same_trigger_twice_changes_nothing(wanted):
    row = pulled(wanted)
    assert apply_trigger(row, wanted, now=NOW).action is Action.KEPT


@given(st.lists(triggers_any, min_size=1, max_size=5), triggers_any, st.integers(0, 400))
def test_another_trigger_never_weakens(wanted, more, later):
    row = pulled(*wanted)
    after = apply_trigger(row, more, now=NOW).after
    at = minutes(later)
    assert after.blocks_at(at) >= row.blocks_at(at)
    assert after.blocks_at(at) == (row.blocks_at(at) or pulled(more).blocks_at(at))
    assert after.mode.severity >= row.mode.severity
    if row.source is Source.MANUAL and more.source is Source.AUTOMATIC:
        assert after.reason == row.reason


@given(st.lists(triggers_any, max_size=4), st.lists(triggers_any, max_size=4), st.integers(0, 400))
def test_answers_agree_with_the_rows_that_block(of_mine, of_all, later):
    own = pulled(*(Trigger("liquid", "mine", *_rest(one)) for one in of_mine))
    whole = pulled(*of_all)
    rows = [row for row in (whole, own) if row is not None]
    at = minutes(later)
    found = in_force(*rows, now=at)
    assert found.triggered == any(row.blocks_at(at) for row in rows)
    assert found.triggered == (found.state is SwitchState.TRIGGERED) == (found.code is not None)
    assert found.remaining_seconds >= 0
    assert (found.expires_at is None) or found.expires_at > at
    assert found.triggered or (found.remaining_seconds, found.expires_at) == (0, None)


def _rest(one):
    return one.reason, one.source, one.mode, one.expires_at, one.until_cleared
