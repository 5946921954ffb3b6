"""`ms new` and `ms check`: a scaffold works as written, and a fault ends in exit code 2."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from marketsentry.cli import check, new
from marketsentry.exceptions import ConflictError, InputError, NotFoundError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def run(app: object, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=True)


@pytest.mark.parametrize("kind", ["features", "model", "policy", "venue"])
def test_a_scaffold_passes_its_own_check(kind: str, tmp_path: Path):
    written = run(new.app, kind, "my_part", "--folder", str(tmp_path / "a b"), "--json")
    assert written.exit_code == 0, written.output
    path = json.loads(written.stdout)["path"]
    assert "my_part" in Path(path).read_text()
    agreed = ["--yes"] if kind == "venue" else []
    checked = run(check.app, kind, path, "--json", *agreed)
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["passed"] is True


def test_nothing_is_overwritten(tmp_path: Path):
    (tmp_path / "mine.py").write_text("precious")
    result = run(new.app, "features", "mine", "--folder", str(tmp_path))
    assert isinstance(result.exception, ConflictError)
    assert (tmp_path / "mine.py").read_text() == "precious"


def test_a_name_that_python_cannot_import_is_refused(tmp_path: Path):
    assert isinstance(run(new.app, "model", "my-model", "--folder", str(tmp_path)).exception, InputError)
    assert list(tmp_path.iterdir()) == []


def test_the_example_passes():
    result = run(check.app, "features", str(EXAMPLES / "features_example.py"))
    assert result.exit_code == 0, result.output
    assert "passed" in result.stderr


def test_the_policy_example_passes_and_says_what_it_takes():
    result = run(check.app, "policy", str(EXAMPLES / "policy_example.py"), "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["passed"]
    assert [one["name"] for one in document["params"]][:2] == ["cost_multiple", "full_sigmas"]
    assert all(one["definition"] for one in document["params"])
    assert document["compile_seconds"] > 0
    assert len(document["code_sha256"]) == 64


def test_a_policy_that_breaks_a_promise_ends_in_exit_code_2(tmp_path: Path):
    path = tmp_path / "dice.py"
    path.write_text(
        "import numba, numpy as np\n@numba.njit\ndef decide(view, params):\n    return np.random.random()\n"
    )
    result = run(check.app, "policy", str(path))
    assert result.exit_code == 2
    assert "FAIL  pure" in result.stderr
    assert "FAILED" in result.stderr


def test_the_peeking_example_is_named_with_bar_and_both_values():
    result = run(check.app, "features", str(EXAMPLES / "peeking_features.py"), "--json")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert {leak["feature"] for leak in document["leaks"]} == {"smooth_return", "scaled_return"}
    scaled = next(leak for leak in document["leaks"] if leak["feature"] == "scaled_return")
    assert scaled["symbol"] == "AAA"
    assert scaled["bar"] == "2024-01-01T00:05:00Z"
    assert scaled["value_with_future"] != scaled["value_without_future"]
    told = run(check.app, "features", str(EXAMPLES / "peeking_features.py"))
    assert "LEAK scaled_return of AAA at 2024-01-01 00:05" in told.stderr


def test_the_built_in_set_passes():
    document = json.loads(run(check.app, "features", "builtin", "--json").stdout)
    assert document["passed"]
    assert document["features"] >= 60
    assert document["max_batch_stream_diff"] == 0.0
    assert document["leaks"] == []
    assert document["always_missing"] == []


def test_a_missing_file_is_said():
    assert isinstance(run(check.app, "features", "no_such.py").exception, NotFoundError)
