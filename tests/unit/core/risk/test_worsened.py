"""What a decision may refuse is what it raises itself, never what the market moved (contract 1.6, check 6)."""

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.positions import Position
from marketsentry.core.risk.profiles import Profile, fallback_profile
from marketsentry.core.risk.worsened import worsened

LIMITS = RiskLimits()
TARGETS = ("BTC", "ETH", "BTC-PERP", "AAPL", "MSFT", "GLD")
WEIGHTS = st.floats(-1.5, 1.5, allow_nan=False).map(lambda weight: round(weight, 6))
BOOKS = st.dictionaries(st.sampled_from(TARGETS), WEIGHTS, max_size=len(TARGETS))


def book(weights):
    return [Position(target, weight, "liquid") for target, weight in weights.items()]


def codes(before, after, limits=LIMITS, registry=None):
    return [one.code for one in worsened(book(before), book(after), limits, registry or {})]


def naive_codes(before, after):
    """The rule word by word, in exact fractions."""
    held = {target: Fraction(before.get(target, 0.0)) for target in TARGETS}
    wanted = {target: Fraction(after.get(target, 0.0)) for target in TARGETS}
    found = set()
    for target in TARGETS:
        for side in (1, -1):
            was, is_now = max(side * held[target], 0), max(side * wanted[target], 0)
            if is_now > was and is_now > LIMITS.max_single_weight:
                found.add(f"single_weight_exceeded:{target}")
    groups = {"gross_exposure_exceeded": (TARGETS, LIMITS.max_gross_exposure)}
    for target in TARGETS:
        profile = fallback_profile("liquid", target)
        alike = [one for one in TARGETS if fallback_profile("liquid", one) == profile]
        groups[f"sector_exposure_exceeded:{profile.sector}"] = (alike, LIMITS.max_sector_exposure)
        groups[f"style_exposure_exceeded:{profile.style}"] = (alike, LIMITS.max_style_exposure)
    for code, (members, cap) in groups.items():
        was, is_now = (sum(abs(one[target]) for target in members) for one in (held, wanted))
        if float(is_now) > float(was) and is_now > Fraction(cap):
            found.add(code)
    moved = sum(abs(wanted[target] - held[target]) for target in TARGETS)
    opens = any(
        abs(wanted[target]) > abs(held[target]) or wanted[target] * held[target] < 0 for target in TARGETS
    )
    if opens and moved > Fraction(LIMITS.max_turnover) + Fraction(1, 10**12):
        found.add("turnover_exceeded")
    return found


@settings(max_examples=300)
@given(BOOKS, BOOKS)
def test_it_names_what_the_rule_says_word_by_word(before, after):
    moved = math.fsum(abs(after.get(one, 0.0) - before.get(one, 0.0)) for one in TARGETS)
    if abs(moved - LIMITS.max_turnover) > 1e-9:
        assert set(codes(before, after)) == naive_codes(before, after)


@given(BOOKS, st.lists(st.floats(0.0, 1.0), min_size=len(TARGETS), max_size=len(TARGETS)))
def test_a_decision_that_only_reduces_always_passes(before, kept):
    shares = dict(zip(TARGETS, kept, strict=True))
    assert codes(before, {target: weight * shares[target] for target, weight in before.items()}) == []


@given(BOOKS, BOOKS)
def test_what_passes_raises_no_sum_that_is_exceeded(before, after):
    if codes(before, after):
        return
    gross_before = math.fsum(map(abs, before.values()))
    gross_after = math.fsum(map(abs, after.values()))
    assert gross_after <= max(LIMITS.max_gross_exposure, gross_before)
    for target, weight in after.items():
        assert abs(weight) <= max(LIMITS.max_single_weight, abs(before.get(target, 0.0)))


@given(BOOKS, BOOKS)
def test_the_book_that_is_held_is_never_refused_and_lines_have_no_order(before, after):
    assert codes(before, before) == []
    assert set(codes(before, after)) == set(codes(before, dict(reversed(after.items()))))


def test_a_weight_that_drifted_refuses_no_other_target():
    assert codes({"BTC": 0.201}, {"BTC": 0.201, "AAPL": 0.1}) == []
    assert codes({"BTC": 0.201}, {"BTC": 0.2005, "AAPL": 0.1}) == []
    assert codes({"BTC": 0.201}, {"BTC": 0.202, "AAPL": 0.1}) == ["single_weight_exceeded:BTC"]


def test_a_sum_that_drifted_may_be_moved_about_and_not_raised():
    held = {"AAPL": 0.2, "MSFT": 0.2, "GLD": 0.06}  # 0.46 of a sector that may have 0.45
    assert codes(held, {**held, "GLD": 0.05, "MSFT": 0.19}) == []
    assert codes(held, {**held, "GLD": 0.07}) == ["sector_exposure_exceeded:equity"]
    assert codes(held, {**held, "BTC": 0.1}) == []


def test_crossing_zero_counts_from_nothing():
    assert codes({"BTC": 0.3}, {"BTC": -0.05}) == []
    assert codes({"BTC": 0.3}, {"BTC": -0.21}) == ["single_weight_exceeded:BTC", "turnover_exceeded"]


def test_turnover_is_that_of_the_decision():
    held = {"BTC": 0.2, "AAPL": 0.2, "MSFT": 0.2}
    assert codes(held, {"BTC": 0.2}) == []  # 0.4 of closing
    assert codes(held, {"BTC": 0.2, "GLD": 0.01}) == ["turnover_exceeded"]


def test_labels_of_the_registry_rule():
    registry = {("liquid", name): Profile("metals", "core") for name in ("BTC", "GLD")}
    assert codes({}, {"BTC": 0.2, "GLD": 0.2}, RiskLimits(max_sector_exposure=0.3), registry) == [
        "sector_exposure_exceeded:metals",
        "turnover_exceeded",
    ]


def test_every_figure_stands_beside_its_limit():
    (one,) = worsened([], book({"BTC": 0.25}), LIMITS, {})
    assert (one.figure, one.limit, one.is_hard) == (0.25, 0.2, False)
