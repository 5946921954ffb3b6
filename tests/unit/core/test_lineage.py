"""Content hashes do not depend on the process, the platform or the order of filling."""

import hashlib
import struct
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.core.lineage import (
    canonical_json,
    code_version_with,
    first_difference,
    hash_array,
    hash_params,
    hash_parts,
    hash_sources,
)
from marketsentry.exceptions import InputError


def test_hashes_are_sha256_of_the_documented_bytes():
    """A stored content hash must be found again by every later version, so the bytes are spelled out here."""
    text = b'{"a":[1.5,null,true,"\\u00e9"],"b":1}'
    assert hash_params({"b": 1, "a": [1.5, None, True, "é"]}) == hashlib.sha256(text).hexdigest()
    values = b"f8[2, 2]" + struct.pack("<4d", 1.0, np.nan, -0.0, 2.5)
    assert hash_array(np.array([[1.0, -np.nan], [-0.0, 2.5]])) == hashlib.sha256(values).hexdigest()
    whole = b'{"kind":"dataset","parts":{"bars":"1","code":"2"}}'
    assert hash_parts("dataset", {"code": "2", "bars": "1"}) == hashlib.sha256(whole).hexdigest()


def test_key_order_and_containers_do_not_matter():
    @dataclass(frozen=True)
    class Params:
        fee_bps: float
        horizon: str

    assert canonical_json({"b": 1, "a": 2.0}) == b'{"a":2.0,"b":1}'
    assert hash_params({"b": (1, 2), "a": 2}) == hash_params({"a": 2, "b": [1, 2]})
    assert hash_params(Params(5.0, "1h")) == hash_params({"horizon": "1h", "fee_bps": np.float64(5.0)})


def test_arrays_within_parameters_count_by_content():
    prices = np.array([1.0, np.nan])
    assert hash_params({"a": prices}) == hash_params({"a": {"array": hash_array(prices)}})
    assert hash_params({"a": prices}) != hash_params({"a": prices[::-1]})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, object(), {"a": {2, 3}}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(InputError):
        hash_params({"value": value})


def test_an_array_hash_sees_value_type_and_shape():
    base = np.arange(6.0).reshape(2, 3)
    others = [
        base.reshape(3, 2),
        base.astype(np.float32),
        base.astype(np.int64),
        base + 1e-15,
        -base,
        base * -0.0,
    ]
    hashes = {hash_array(base), *(hash_array(other) for other in others)}
    assert len(hashes) == len(others) + 1
    assert hash_array(np.array([0.0])) != hash_array(np.array([-0.0]))


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(0, 7), st.integers(1, 5)), elements=st.floats(width=64)))
def test_an_array_hash_ignores_layout_byte_order_and_nan_payload(values):
    expected = hash_array(values)
    odd_nan = values.copy()
    odd_nan.view(np.uint64)[np.isnan(values)] = 0xFFF8_0000_0000_1234
    assert hash_array(np.asfortranarray(values)) == expected
    assert hash_array(values.astype(">f8")) == expected
    assert hash_array(odd_nan) == expected


def test_blocks_of_a_large_array_hash_like_one_piece():
    values = np.random.default_rng(3).standard_normal((700_000, 2))
    values[5::7] = np.nan
    assert values.nbytes > 2 * (4 << 20)
    whole = hash_array(values)
    assert whole == hashlib.sha256(b"f8[700000, 2]" + values.tobytes()).hexdigest()
    assert hash_array(np.repeat(values, 2, axis=1)[:, ::2]) == whole
    values[-1, -1] = 1.0
    assert hash_array(values) != whole


def test_another_process_with_another_hash_seed_agrees():
    code = (
        "import numpy as np; from marketsentry.core.lineage import *;"
        "print(hash_parts('run', {'p': hash_params({'z': 1.1, 'a': 'b'}), 'd': hash_array(np.arange(9.0))}))"
    )
    expected = hash_parts("run", {"d": hash_array(np.arange(9.0)), "p": hash_params({"a": "b", "z": 1.1})})
    for seed in ("0", "4242"):
        out = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert out.stdout.strip() == expected


def test_code_version_sees_every_edit_but_not_line_ends():
    files = [("core/a.py", b"x = 1\ny = 2\n"), ("core/b.py", b"")]
    version = hash_sources(files)
    assert hash_sources(reversed(files)) == version
    assert hash_sources([("core/a.py", b"x = 1\r\ny = 2\r\n"), ("core/b.py", b"")]) == version
    assert hash_sources([("core/a.py", b"x = 1\ny = 3\n"), ("core/b.py", b"")]) != version
    assert hash_sources([("core/c.py", b"x = 1\ny = 2\n"), ("core/b.py", b"")]) != version


def test_the_first_difference_is_named():
    assert first_difference({"bars": "1", "code": "2"}, {"code": "2", "bars": "1"}) is None
    assert first_difference({"bars": "1", "code": "2"}, {"bars": "1", "code": "3"}) == "code"
    assert first_difference({"bars": "1"}, {"bars": "1", "seed": "3"}) == "seed"


def test_a_plugin_is_part_of_the_code_version():
    assert code_version_with("a", None) == "a"
    assert (
        len({code_version_with("a", "p"), code_version_with("a", "q"), code_version_with("b", "p"), "a"}) == 4
    )
