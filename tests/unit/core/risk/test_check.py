"""Contract 1.5: the risk check, its worked examples, and what must hold for any input (K-05, K-40, K-42, K-45)."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.risk.check import RiskRequest, cap_buckets, conclude, judge
from marketsentry.core.risk.codes import GLOBAL, Rule
from marketsentry.core.risk.hard_rules import HardTrigger, LossFigures, worse_of
from marketsentry.core.risk.kill_switch import SwitchState, effective_switch
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.positions import Position, net_positions
from marketsentry.core.risk.profiles import Profile
from marketsentry.core.risk.violations import Cure
from marketsentry.exceptions import InputError

LIMITS = RiskLimits()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def position(target, weight, sector=None, style=None, *, track="liquid", bucket=None):
    return Position(target, weight, track, sector, style, bucket)


def judged(*proposed, current=(), registry=None, limits=LIMITS, **rest):
    return judge(RiskRequest(tuple(proposed), tuple(current), **rest), limits, registry or {})


def codes(judgement):
    return [one.code for one in judgement.violations]


def weights(positions):
    return {one.target: one.weight for one in positions}


def armed(track="liquid"):
    return effective_switch([], track=track, strategy_id=GLOBAL, now=NOW)


def test_the_contract_example_of_two_large_weights():
    found = judged(position("BTC", 0.35), position("ETH", 0.28), current=[position("BTC", 0.10)])
    assert codes(found) == ["single_weight_exceeded:BTC", "single_weight_exceeded:ETH"]
    assert weights(found.adjusted) == {"BTC": 0.2, "ETH": 0.2}
    assert found.gross_exposure == pytest.approx(0.4)
    assert found.expected_turnover == pytest.approx(0.3)
    assert not found.hard_block
    assert {one.cure for one in found.violations} == {Cure.CLIPPED}


@pytest.mark.parametrize("names", [("A", "B"), ("BTC", "ETH")])
def test_the_contract_example_of_sector_and_style(names):
    lines = [position(name, 0.2, "tech", "growth") for name in names]
    found = judged(*lines, max_sector_exposure=0.30, max_style_exposure=0.25)
    assert codes(found) == ["sector_exposure_exceeded:tech", "style_exposure_exceeded:growth"]
    assert weights(found.adjusted) == pytest.approx(dict.fromkeys(names, 0.125))


def test_the_contract_example_of_gross_turnover_and_drawdown():
    lines = [position(f"A{n}", 0.9, f"s{n}", f"y{n}") for n in range(7)]
    found = judged(*lines, figures={"liquid": LossFigures(realized_drawdown=0.3)})
    singles = [f"single_weight_exceeded:A{n}" for n in range(7)]
    assert codes(found) == [
        *singles,
        "gross_exposure_exceeded",
        "turnover_exceeded",
        "drawdown_exceeded",
    ]
    assert list(weights(found.adjusted).values()) == pytest.approx([1 / 7] * 7)
    assert found.triggers == (HardTrigger("liquid", GLOBAL, (Rule.DRAWDOWN,)),)
    assert sum(weights(found.turnover_feasible).values()) == pytest.approx(0.35)
    assert [one.cure for one in found.violations[-3:]] == [Cure.CLIPPED, Cure.BREACH, Cure.BREACH]


def test_the_contract_example_of_a_rebalance():
    total = 0.08 * 0.8 + 0.03 * 0.7
    lines = [
        position("BTC", 0.6 * 0.08 * 0.8 / total, bucket="event"),
        position("ETH", -0.6 * 0.03 * 0.7 / total, bucket="event"),
    ]
    found = judged(*lines, current=[position("BTC", 0.05)], risk_budget=0.6)
    assert codes(found) == ["bucket_exposure_exceeded:event"]
    assert weights(found.adjusted) == pytest.approx({"BTC": 0.180706, "ETH": -0.059294}, abs=5e-7)
    assert found.expected_turnover == pytest.approx(0.19)
    alone, violations = cap_buckets(lines, risk_budget=0.6, limits=LIMITS)
    assert weights(alone) == weights(found.adjusted)
    assert [(one.code, one.figure, one.limit) for one in violations] == [
        ("bucket_exposure_exceeded:event", pytest.approx(0.6), pytest.approx(0.24))
    ]


def test_a_bucket_without_a_cap_is_refused():
    with pytest.raises(InputError, match="bucket must be one of"):
        judged(position("BTC", 0.1, bucket="luck"), risk_budget=1.0)


def test_lines_of_one_target_are_netted_before_any_cap():
    found = judged(position("btc", 0.15), position("BTC", 0.15), position("BTC", 0.05, track="vc"))
    assert codes(found) == ["single_weight_exceeded:BTC"]
    assert [(one.track, one.weight) for one in found.adjusted] == [("liquid", 0.2), ("vc", 0.05)]
    offsetting = judged(position("BTC", 0.3), position("BTC", -0.25))
    assert codes(offsetting) == []


def test_the_registry_names_sector_and_style_whatever_the_client_says():
    registry = {("liquid", name): Profile("Chips", "Growth") for name in ("A", "B", "C")}
    lines = [position(name, 0.2, f"own{name}", f"own{name}") for name in ("A", "B", "C")]
    found = judged(*lines, current=lines, registry=registry)
    assert codes(found) == ["sector_exposure_exceeded:chips"]
    assert {(one.sector, one.style_bucket) for one in found.adjusted} == {("Chips", "Growth")}


def test_a_label_of_the_client_takes_no_major_coin_out_of_its_group():
    lines = [position(name, 0.2, f"own{name}", f"own{name}") for name in ("BTC", "ETH", "SOL")]
    found = judged(*lines, current=lines)
    assert codes(found) == ["sector_exposure_exceeded:crypto"]
    assert sum(weights(found.adjusted).values()) == pytest.approx(0.45)


def test_groups_do_not_depend_on_case():
    lines = [position("A", 0.2, "Tech"), position("B", 0.2, "tech "), position("C", 0.2, "TECH")]
    found = judged(*lines)
    assert codes(found)[0] == "sector_exposure_exceeded:tech"


def test_labels_are_filled_in():
    found = judged(position("BTC", 0.1), position("LINK", 0.1), position("Acme", 0.1, track="vc"))
    assert [(one.sector, one.style_bucket) for one in found.adjusted] == [
        ("crypto", "crypto_beta"),
        ("equity", "core"),
        ("private", "venture"),
    ]


def test_each_track_is_judged_by_its_own_losses():
    figures = {"liquid": LossFigures(), "vc": LossFigures(daily_loss=0.05, consecutive_losses=6)}
    found = judged(
        position("BTC", 0.1),
        position("Acme", 0.1, track="vc"),
        figures=figures,
        strategy_id="mine",
    )
    assert codes(found) == ["daily_loss_exceeded", "consecutive_loss_exceeded"]
    assert found.triggers == (
        HardTrigger("vc", GLOBAL, (Rule.DAILY_LOSS,)),
        HardTrigger("vc", "mine", (Rule.CONSECUTIVE_LOSS,)),
    )


def test_a_streak_does_not_hide_a_loss_of_the_track():
    """K-33."""
    figures = {"liquid": LossFigures(0.3, 0.05, 9)}
    found = judged(position("BTC", 0.1), figures=figures, strategy_id="mine")
    assert [(one.scope, one.reason) for one in found.triggers] == [
        (GLOBAL, "drawdown_exceeded"),
        ("mine", "consecutive_loss_exceeded"),
    ]
    whole = judged(position("BTC", 0.1), figures=figures)
    assert [(one.scope, one.rules) for one in whole.triggers] == [
        (GLOBAL, (Rule.DRAWDOWN, Rule.DAILY_LOSS, Rule.CONSECUTIVE_LOSS))
    ]


@pytest.mark.parametrize(
    "figures", [LossFigures(0.2), LossFigures(daily_loss=0.03), LossFigures(consecutive_losses=5)]
)
def test_comparisons_are_strict(figures):
    assert codes(judged(position("BTC", 0.2), figures={"liquid": figures})) == []


def test_nothing_proposed_is_judged_as_liquid():
    found = judged(current=[position("BTC", 0.2)], figures={"liquid": LossFigures(0.3)})
    assert found.tracks == ("liquid",)
    assert codes(found) == ["drawdown_exceeded"]
    assert found.expected_turnover == pytest.approx(0.2)
    assert found.reduces_only


def test_the_switch_of_every_track_is_named_and_none_may_be_missing():
    found = judged(position("BTC", 0.1), position("Acme", 0.1, track="vc"))
    with pytest.raises(InputError, match="kill switch of track vc was not read"):
        conclude(found, [armed()])
    verdict = conclude(found, [armed("vc"), armed()])
    assert verdict.approved
    assert verdict.switch_state is SwitchState.ARMED


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e61])
def test_a_weight_that_is_no_number_is_refused(wrong):
    with pytest.raises(InputError, match="weight of BTC must be finite"):
        position("BTC", wrong)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1])
@pytest.mark.parametrize("name", ["realized_drawdown", "daily_loss", "consecutive_losses"])
def test_a_loss_that_is_no_number_is_refused(name, wrong):
    with pytest.raises(InputError, match=f"{name} must be >= 0 and finite"):
        LossFigures(**{name: wrong})


@pytest.mark.parametrize("wrong", [math.nan, 0.0, 1.1])
def test_an_override_out_of_range_is_refused(wrong):
    with pytest.raises(InputError, match="max_sector_exposure must be > 0 and <= 1"):
        RiskRequest((), max_sector_exposure=wrong)


def test_the_worse_figure_rules():
    assert worse_of(LossFigures(0.1, 0.02, 1), LossFigures(0.05, 0.03, 2)) == LossFigures(0.1, 0.03, 2)


# --- for any input -------------------------------------------------------------------------------------------

small = st.floats(-1.5, 1.5).map(lambda weight: weight if abs(weight) > 1e-100 else 0.0)
labels = st.sampled_from([None, "", "tech", "Tech", "own"])
lines_any = st.lists(
    st.builds(
        position,
        st.sampled_from(["BTC", "eth", "ETH", "LINK", "Acme", "Z"]),
        small,
        labels,
        labels,
        track=st.sampled_from(["liquid", "vc"]),
        bucket=st.sampled_from([None, "trend", "event"]),
    ),
    max_size=9,
)
limits_any = st.builds(
    RiskLimits,
    max_single_weight=st.floats(0.0, 1.0),
    max_gross_exposure=st.floats(0.01, 2.0),
    max_turnover=st.floats(0.01, 2.0),
    max_sector_exposure=st.floats(0.01, 1.0),
    max_style_exposure=st.floats(0.01, 1.0),
)


def naive_check(lines, held, limits, budget):
    """Steps 1 to 6 with plain loops; labels by the same order of authority, the registry empty."""
    wanted, labels_of = {}, {}
    for line in lines:
        wanted[line.key] = wanted.get(line.key, 0.0) + line.weight
        old = labels_of.get(line.key, (None, None, None))
        new = (line.sector, line.style_bucket, line.bucket)
        labels_of[line.key] = tuple(a or b for a, b in zip(old, new, strict=True))
    found = []

    def scale(members, cap, code):
        total = sum(abs(wanted[key]) for key in members)
        if total > cap:
            found.append(code)
            for key in members:
                wanted[key] *= cap / total

    def groups(place, own):
        names = {}
        for key in wanted:
            said = (labels_of[key][place] or "").lower()
            track, target = key
            is_major = track == "liquid" and target in ("BTC", "ETH")
            default = own["vc" if track == "vc" else "major" if is_major else "other"]
            for name in dict.fromkeys(([said] if said else [default]) + ([default] if is_major else [])):
                names.setdefault(name, []).append(key)
        return names

    for bucket in dict.fromkeys(labels_of[key][2] for key in wanted if labels_of[key][2]):
        members = [key for key in wanted if labels_of[key][2] == bucket]
        scale(members, {"trend": 0.5, "event": 0.4}[bucket] * budget, f"bucket_exposure_exceeded:{bucket}")
    for key in wanted:
        if abs(wanted[key]) > limits.max_single_weight:
            found.append(f"single_weight_exceeded:{key[1]}")
            wanted[key] = math.copysign(limits.max_single_weight, wanted[key])
    scale(list(wanted), limits.max_gross_exposure, "gross_exposure_exceeded")
    sectors = groups(0, {"vc": "private", "major": "crypto", "other": "equity"})
    for name, members in sectors.items():
        scale(members, limits.max_sector_exposure, f"sector_exposure_exceeded:{name}")
    for name, members in groups(1, {"vc": "venture", "major": "crypto_beta", "other": "core"}).items():
        scale(members, limits.max_style_exposure, f"style_exposure_exceeded:{name}")
    current = {}
    for line in held:
        current[line.key] = current.get(line.key, 0.0) + line.weight
    turnover = sum(abs(wanted.get(key, 0.0) - current.get(key, 0.0)) for key in {*wanted, *current})
    if turnover > limits.max_turnover:
        found.append("turnover_exceeded")
    return wanted, found, turnover


@settings(deadline=None, max_examples=200)
@given(lines_any, lines_any, limits_any)
def test_it_agrees_with_the_plain_reading_of_the_contract(lines, held, limits):
    found = judged(*lines, current=held, limits=limits, risk_budget=0.9)
    expected, expected_codes, turnover = naive_check(lines, held, limits, 0.9)
    assert {one.key: one.weight for one in found.adjusted} == pytest.approx(expected, abs=1e-9)
    assert found.expected_turnover == pytest.approx(turnover, abs=1e-9)
    if codes(found) != expected_codes:  # only where rounding decides a strict comparison
        odd = set(codes(found)) ^ set(expected_codes)
        assert len(odd) <= 2
        assert all(code.split("_exceeded")[0] not in ("drawdown", "daily_loss") for code in odd)
        exact = judged(*found.adjusted, limits=limits, risk_budget=0.9)
        assert [code for code in codes(exact) if code != "turnover_exceeded"] == []


@settings(deadline=None, max_examples=200)
@given(lines_any, lines_any, limits_any)
def test_what_comes_out_passes_the_same_check(lines, held, limits):
    found = judged(*lines, current=held, limits=limits)
    for positions in (found.adjusted, found.turnover_feasible):
        again = judged(*positions, current=held, limits=limits)
        assert set(codes(again)) <= {"turnover_exceeded"}
        assert weights(again.adjusted) == weights(positions)
    feasible = judged(*found.turnover_feasible, current=held, limits=limits)
    assert codes(feasible) == [] or feasible.reduces_only


@settings(deadline=None, max_examples=200)
@given(lines_any, lines_any, limits_any)
def test_scaling_never_opens_more_than_was_wanted(lines, held, limits):
    found = judged(*lines, current=held, limits=limits)
    wanted = {one.key: one.weight for one in net_positions(lines)}
    for adjusted, feasible in zip(found.adjusted, found.turnover_feasible, strict=True):
        assert abs(adjusted.weight) <= abs(wanted[adjusted.key])
        assert abs(feasible.weight) <= abs(adjusted.weight)
        assert adjusted.weight * wanted[adjusted.key] >= 0


@settings(deadline=None)
@given(lines_any, st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_change_what_is_netted(lines, random):
    shuffled = list(lines)
    random.shuffle(shuffled)
    assert {one.key: one.weight for one in net_positions(lines)} == {
        one.key: one.weight for one in net_positions(shuffled)
    }


figures_any = st.builds(LossFigures, st.floats(0, 1), st.floats(0, 1), st.integers(0, 20))


@settings(deadline=None)
@given(lines_any, limits_any, figures_any)
def test_no_breach_is_ever_approved(lines, limits, figures):
    found = judged(*lines, limits=limits, figures={"liquid": figures, "vc": figures})
    verdict = conclude(found, [armed(track) for track in found.tracks])
    broken = (
        figures.realized_drawdown > limits.max_drawdown
        or figures.daily_loss > limits.max_daily_loss
        or figures.consecutive_losses > limits.max_consecutive_losses
        or found.expected_turnover > limits.max_turnover
        or {one.key: one.weight for one in net_positions(lines)}
        != {one.key: one.weight for one in found.adjusted}
    )
    assert verdict.approved == (not broken)
    assert all(one.limit < one.figure for one in verdict.violations)
