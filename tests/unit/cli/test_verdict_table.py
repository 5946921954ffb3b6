import io

from rich.console import Console

from marketsentry.cli.verdict_table import print_training
from marketsentry.core.gates.verdict import at_least, at_most, decide
from marketsentry.services.candidate import TrainingResult, Usage

REASON = "feature peek of BTC at bar 2024-01-01T00:00:00Z is 0.01 with the future known and nan without"


def printed(result: TrainingResult, *, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_training(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_value_stands_beside_its_limit_in_80_columns() -> None:
    checks = (at_most("leaks", 1, 0, REASON), at_least("sharpe", None, 0.5), at_least("n_folds", 5, 5))
    verdict = decide("candidate", checks, floors=frozenset(), proofs=frozenset({"leaks"}))
    usage = Usage(1_000, 12.5, 10.0, 1.0, 1 << 28, 1 << 29, 1 << 27)
    text = printed(
        TrainingResult(
            "ok", "panel", "v1", "liquid", (), 7, "refused", verdict, artifact_sha256="ab" * 32, usage=usage
        )
    )
    assert max(map(len, text.splitlines())) <= 80
    lines = [line.split() for line in text.splitlines()]
    assert ["no", "leaks", "1", "<=", "0"] in lines
    assert ["no", "sharpe", "none", ">=", "0.5"] in lines
    assert ["ok", "n_folds", "5", ">=", "5"] in lines
    assert "verdict: fail" in text
    assert "feature peek of BTC" in text
    assert "peak memory 512 MiB" in text
    assert "state refused" in text


def test_a_blocked_training_names_symbol_and_reason() -> None:
    row = {"symbol": "SOL", "status": "blocked_by_data_quality", "reason": "missing_rate_exceeded"}
    text = printed(TrainingResult("blocked_by_data_quality", "panel", "v1", "liquid", (row,)))
    assert "panel:v1 blocked_by_data_quality" in text
    assert "SOL: missing_rate_exceeded" in text
