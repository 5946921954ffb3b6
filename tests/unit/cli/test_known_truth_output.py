"""What `ms check evidence` prints, from counts made up here."""

import json

import pytest

from marketsentry.cli.known_truth_output import known_truth_document, print_known_truth
from marketsentry.core.known_truth.check import CoverageCell, KnownTruth, Share, Sizes, failures
from marketsentry.core.known_truth.planted import Planted
from marketsentry.core.known_truth.trials import Searched

REFUSED = Searched("fail", ("sharpe was 0.1, must be >= 0.5",), 0.01, 0.1, 3.0, 0.02)
PASSED = Searched("pass", (), 0.2, 12.0, 3.0, 0.99)
CELL = CoverageCell(Planted(4, 0.1, 0.9), 8_760, 0.157, Share(88, 100), Share(86, 100), 0.158, 0.02, 0.06)
FOUND = KnownTruth(
    Sizes(runs=3, power_runs=2),
    7,
    (REFUSED,) * 3,
    {"weak": (REFUSED, PASSED), "strong": (PASSED,) * 2},
    (CELL,),
)


def test_the_document_leads_with_the_shares_and_holds_every_run() -> None:
    document = known_truth_document(FOUND, failures(FOUND, is_quick=False), is_quick=False, seconds=1.23)
    document = json.loads(json.dumps(document))
    assert document["false_accept"] == 0.0
    assert document["coverage"] == 0.88
    assert document["power"] == {"weak": 0.5, "strong": 1.0}
    assert document["runs"]["runs"] == 3
    assert document["ok"] is True
    noise = document["cells"]["noise"]
    assert noise["refused_by"] == {"sharpe": 3}
    assert noise["passed"]["high"] == pytest.approx(1 - 0.025 ** (1 / 3))
    assert len(document["cells"]["informed"]["weak"]["runs"]) == 2
    assert document["cells"]["coverage"][0]["final"]["share"] == 0.86


def test_the_text_says_shares_with_their_intervals_and_what_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_known_truth(FOUND, ("coverage must be >= 0.85, was 3 of 9",))
    shown = "".join(capsys.readouterr())
    assert (
        "noise: the best of 500 worthless models passed in 0 of 3 runs (0.0%; 95 %: 0.0% to 70.8%)" in shown
    )
    assert "coverage: 90% intervals held the planted IC in 88 of 100 runs" in shown
    assert "FAIL  coverage must be >= 0.85" in shown
