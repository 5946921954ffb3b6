"""User code by path and entry point: what works is loaded, what does not is named."""

from pathlib import Path

import numpy as np
import pytest

from marketsentry.core.features.builtin import BUILTIN
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.models.lightgbm_panel import LightGBMPanel
from marketsentry.services.plugins import load_feature_set, load_model, load_policy, plugin_code_hash

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
SCHEMA = """
import numba
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
SCHEMA = FeatureSchema("v1", (FeatureDef("x", "the close", "quote", 0, "bars", "never"),))
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mine.py"
    path.write_text(text)
    return str(path)


def test_the_built_in_parts_go_through_the_same_door():
    assert load_feature_set("builtin") is BUILTIN
    assert load_model("lightgbm_panel") is LightGBMPanel
    assert plugin_code_hash("builtin") is None


def test_a_file_with_a_step_becomes_a_feature_set():
    feature_set = load_feature_set(str(EXAMPLES / "features_example.py"))
    out = np.empty((2, len(feature_set.schema.features)))
    bar = np.array([[1.0, 2.0, 1.0, 2.0, 5.0]] * 2)
    state = feature_set.new_state(2)
    feature_set.step(state, bar, 0, np.zeros((2, 18)), out)
    assert np.isnan(out[:, 0]).all()
    feature_set.step(state, bar * 2, 0, np.zeros((2, 18)), out)
    assert out[:, 0] == pytest.approx(np.log(2.0))


def test_a_lost_bar_starts_the_state_and_the_warm_up_again():
    feature_set = load_feature_set(str(EXAMPLES / "features_example.py"))
    state, out = feature_set.new_state(1), np.empty((1, len(feature_set.schema.features)))
    whole, lost = np.ones((1, 5)), np.full((1, 5), np.nan)
    seen = []
    for bar in (whole, whole, lost, whole, whole):
        feature_set.step(state, bar, 0, np.zeros((1, 18)), out)
        seen.append(bool(np.isnan(out[0, 0])))
    assert seen == [True, False, True, True, False]


def test_a_whole_feature_set_may_be_given(tmp_path: Path):
    text = "from marketsentry.core.features.builtin import BUILTIN as FEATURE_SET"
    assert load_feature_set(write(tmp_path, text)) is BUILTIN


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SCHEMA = 1\ndef step(", "line 2: SyntaxError"),
        ("x = 1\ny = x / 0", "line 2: ZeroDivisionError"),
        ("import no_such_package_of_mine", "ModuleNotFoundError"),
        ("x = 1", "must define SCHEMA"),
        (SCHEMA, "must define step"),
        (SCHEMA + "def step(state, bar, ts_ns, context, out): out[0] = 1.0", "decorate it with numba.njit"),
        (
            SCHEMA + "@numba.njit\ndef step(state, bar, ts_ns, context, out): out[0] = bar.nothing",
            "does not compile",
        ),
        (SCHEMA + "@numba.njit\ndef step(state, bar, out): out[0] = 1.0", "does not compile"),
        (
            SCHEMA + "@numba.njit\ndef step(state, bar, ts_ns, context, out): out[7] = 1.0",
            "writes beyond its 1 columns",
        ),
        (SCHEMA + "@numba.njit\ndef step(state, bar, ts_ns, context, out): state[3] = 1.0", "writes beyond"),
        ("FEATURE_SET = 1", "lacks schema, new_state, step, batch"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(text: str, says: str, tmp_path: Path):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=says) as caught:
        load_feature_set(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reference", ["no/such/file.py", "missing.py"])
def test_a_missing_file_is_not_found(reference: str):
    with pytest.raises(NotFoundError, match=f"no such file: {reference}"):
        load_feature_set(reference)


def test_an_unknown_entry_point_is_not_found():
    with pytest.raises(NotFoundError, match=r"neither a file nor an entry point of marketsentry\.features"):
        load_feature_set("nobody_offers_this")
    with pytest.raises(NotFoundError, match=r"marketsentry\.models"):
        load_model("nobody_offers_this")


def test_an_installed_package_offers_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "offered.py").write_text((EXAMPLES / "features_example.py").read_text())
    info = tmp_path / "offered-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[marketsentry.features]\nmine = offered\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_feature_set("mine").schema.version == "features-example-v1"
    assert plugin_code_hash("mine") is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "must define one model class"),
        ("class A:\n fit = predict = 1\nclass B:\n fit = predict = 1", r"defines \['A', 'B'\]"),
        ("class A:\n fit = predict = 1", "lacks name, accepts_missing, dump, parse"),
    ],
)
def test_a_model_file_that_cannot_be_used_is_refused(text: str, says: str, tmp_path: Path):
    with pytest.raises(InputError, match=says):
        load_model(write(tmp_path, text))


def test_a_model_file_gives_its_class():
    assert load_model(str(EXAMPLES / "model_example.py"))().name


def test_the_code_of_a_plugin_is_part_of_the_lineage(tmp_path: Path):
    path = write(tmp_path, "x = 1")
    before = plugin_code_hash(path)
    assert before != plugin_code_hash(write(tmp_path, "x = 2"))


POLICY = """
import numba
from marketsentry.core.backtest.policy import PolicyParam
PARAMS = (PolicyParam("size", 0.5, 0.0, 1.0, "of a position"),)
@numba.njit
def decide(view, params):
    return params.size
"""


def test_a_file_with_a_decision_becomes_a_policy(tmp_path: Path):
    path = write(tmp_path, POLICY)
    loaded = load_policy(path)
    assert loaded.policy.name == "mine"
    assert loaded.policy.values() == {"size": 0.5}
    assert loaded.source == POLICY
    assert loaded.code_sha256 == plugin_code_hash(path)
    assert loaded.compile_s > 0
    assert load_policy("builtin").code_sha256 is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "must define decide"),
        (POLICY.replace("@numba.njit", ""), "must be compiled"),
        (POLICY.replace("params.size", "params.sise"), "decide of policy mine does not compile"),
        (POLICY.replace("PARAMS = (", "PARAMS = [").replace('"),)', '")]'), "must be a tuple of PolicyParam"),
        (
            POLICY.replace("0.5, 0.0", "0.5, 0.7"),
            "does not import: line 4: InputError: policy parameter size",
        ),
    ],
)
def test_a_file_that_is_no_policy_is_refused_with_its_reason(text: str, message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message):
        load_policy(write(tmp_path, text))


def test_a_policy_that_is_not_the_expected_one_is_refused_before_it_runs(tmp_path: Path):
    path = write(tmp_path, "raise SystemExit('ran')")
    with pytest.raises(
        ConflictError, match=r"mine.py is not the policy that was run: SHA-256 .*, recorded 00"
    ):
        load_policy(path, expected_sha256="00")
    with pytest.raises(NotFoundError, match=r"no such file"):
        load_policy(str(tmp_path / "none.py"))
    with pytest.raises(NotFoundError, match=r"neither a file nor an entry point of marketsentry.policies"):
        load_policy("nobody")


def test_an_installed_policy_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package, info = tmp_path / "their_package", tmp_path / "their_package-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").touch()
    (package / "patient.py").write_text(POLICY)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    points = "patient = their_package.patient\nwhole = their_package.patient:decide\n"
    (info / "entry_points.txt").write_text(f"[marketsentry.policies]\n{points}")
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = load_policy("patient")
    assert loaded.policy.name == "patient"
    assert loaded.source == POLICY
    with pytest.raises(InputError, match=r"must name a module that is one Python file, was .*:decide"):
        load_policy("whole")
