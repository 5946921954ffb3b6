"""The rules of contract 1.3, at values worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.market.events import EVENT_TYPES
from marketsentry.core.serving.answer import Answer, Reason, Source, Why
from marketsentry.core.serving.cold_start import Price, liquid_cold_start, vc_cold_start
from marketsentry.core.serving.explain import ContextEvent, explain
from marketsentry.exceptions import InputError

NOW_NS = 1_700_000_000_000_000_000
HOUR_NS = 3_600_000_000_000
WHY = Why(Reason.MODEL_NOT_REGISTERED, "none is registered")


def events(**counts: int) -> list[ContextEvent]:
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    return [
        ContextEvent(n, kind, f"event {n}", NOW_NS - n * HOUR_NS, f"https://example.org/{n}")
        for n, kind in enumerate(kinds)
    ]


def liquid(horizon: str = "1d", **counts: int) -> Answer:
    return liquid_cold_start(
        events(**counts), horizon, as_of_ns=NOW_NS, feature_version="feature-store-v2.0", why=WHY
    )


def vc(months: int = 12, **counts: int) -> Answer:
    return vc_cold_start(events(**counts), months, as_of_ns=NOW_NS, why=WHY)


@pytest.mark.parametrize(
    ("horizon", "counts", "expected", "vol", "confidence"),
    [
        ("1d", {}, 0.0, 0.02, 0.55),
        ("1d", {"market": 3, "regulatory": 1}, 0.003, 0.03, 0.67),
        ("1h", {"market": 3, "regulatory": 1}, 0.0009, 0.03, 0.67),
        ("7d", {"market": 3, "regulatory": 1}, 0.0063, 0.03, 0.67),
        ("1d", {"regulatory": 8}, -0.024, 0.04, 0.79),
        ("1d", {"funding": 2, "product": 1, "mna": 1}, 0.0, 0.02, 0.67),
    ],
)
def test_liquid_values(
    horizon: str, counts: dict[str, int], expected: float, vol: float, confidence: float
) -> None:
    answer = liquid(horizon, **counts)
    assert answer.score == answer.outputs["expected_return"] == pytest.approx(expected, abs=1e-15)
    assert answer.outputs["vol_forecast"] == pytest.approx(vol)
    assert answer.confidence == answer.outputs["signal_confidence"] == pytest.approx(confidence)
    assert answer.explanation.model_version == "liquid-tsfm-adapter-baseline-v2"


def test_vc_values() -> None:
    nothing = vc()
    assert nothing.score == 0.5
    assert nothing.outputs["p_next_round"] == pytest.approx({"6m": 0.55, "12m": 0.5, "24m": 0.42})
    assert nothing.outputs["p_exit_24m"] == pytest.approx(0.401312339887548)
    moic = nothing.outputs["expected_moic_distribution"]
    assert moic == pytest.approx({"p10": 1.0, "p50": 1.8, "p90": 3.752624679775096})
    assert nothing.confidence == 0.55
    # z = 0.9 * 2 + 0.4 - 0.6 = 1.6: sigma(1.12 + h), sigma(0.08)
    some = {"funding": 2, "product": 1, "regulatory": 1}
    assert vc(12, **some).score == pytest.approx(0.7540, abs=5e-5)
    assert vc(6, **some).score == pytest.approx(1 / (1 + math.exp(-1.22)))
    assert vc(24, **some).score == pytest.approx(1 / (1 + math.exp(-1.07)))
    assert vc(12, **some).outputs["p_exit_24m"] == pytest.approx(0.5200, abs=5e-5)
    assert vc(12, **some).confidence == pytest.approx(0.71)
    assert vc().explanation.model_version == "vc-survival-baseline-v2"


def test_probabilities_stay_within_their_bounds() -> None:
    sure, hopeless = vc(funding=8), vc(regulatory=8)
    assert sure.outputs["p_next_round"] == {"6m": 0.99, "12m": 0.99, "24m": pytest.approx(0.91)}
    assert sure.outputs["p_exit_24m"] == pytest.approx(0.853, abs=1e-3)
    assert hopeless.outputs["p_next_round"]["24m"] == 0.01
    assert sure.confidence == pytest.approx(0.87)
    assert vc(mna=20).confidence == 0.95


@given(st.lists(st.sampled_from(EVENT_TYPES), max_size=8), st.sampled_from(["1h", "1d", "7d"]))
def test_the_terms_add_up_to_the_score(kinds: list[str], horizon: str) -> None:
    """K-67: what explains is what was computed."""
    counts = {kind: kinds.count(kind) for kind in EVENT_TYPES}
    answer = liquid(horizon, **counts)
    told = answer.explanation
    assert told.attribution is not None
    parts = [one.contribution for one in told.top_feature_contributors]
    assert math.fsum([told.attribution.base_value, told.attribution.rest, *parts]) == pytest.approx(
        answer.score, abs=1e-12
    )
    venture = vc(**counts)
    told = venture.explanation
    assert told.attribution is not None
    parts = [one.contribution for one in told.top_feature_contributors]
    log_odds = math.fsum([told.attribution.base_value, told.attribution.rest, *parts])
    p = min(max(1 / (1 + math.exp(-log_odds)), 0.01), 0.99)
    assert venture.score == pytest.approx(p, abs=1e-12)


@given(st.lists(st.sampled_from(EVENT_TYPES), max_size=8), st.sampled_from([6, 12, 24]))
def test_no_heuristic_trades(kinds: list[str], months: int) -> None:
    """K-62, K-68."""
    counts = {kind: kinds.count(kind) for kind in EVENT_TYPES}
    for answer in (liquid(**counts), vc(months, **counts)):
        document = answer.document()
        assert (document["source"], document["tradeable"], document["abstained"]) == (
            "heuristic",
            False,
            False,
        )
        assert document["reason"] == "model_not_registered"
    assert vc(months, **counts).outputs["experimental"] is True


def test_unknown_horizons_and_impossible_prices_are_refused() -> None:
    with pytest.raises(InputError, match="horizon must be one of 1h, 1d, 7d, was 4h"):
        liquid("4h")
    with pytest.raises(InputError, match="horizon_months must be one of 6, 12, 24, was 18"):
        vc(18)
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="price must be finite and positive"):
            Price(bad, NOW_NS, "spot")


def test_an_answer_keeps_its_promises() -> None:
    said = explain([], ((), None), as_of_ns=NOW_NS, model_version="m", feature_version="f")
    for wrong in (
        {"source": Source.HEURISTIC, "score": 0.1, "confidence": 0.5, "why": WHY, "tradeable": True},
        {"source": Source.MODEL, "score": None, "confidence": None, "why": WHY, "tradeable": True},
        {"source": Source.MODEL, "score": None, "confidence": 0.5, "why": WHY},
        {"source": Source.MODEL, "score": math.nan, "confidence": 0.5},
        {"source": Source.MODEL, "score": 0.1, "confidence": math.inf},
        {"source": Source.MODEL, "score": None, "confidence": None},
        {"source": Source.HEURISTIC, "score": 0.1, "confidence": 0.5},
    ):
        with pytest.raises(InputError):
            Answer(outputs={}, explanation=said, **wrong)  # type: ignore[arg-type]  # one of each kind
