"""Drawn ids."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.ids import decision_id_from
from marketsentry.exceptions import InputError


@given(st.binary(min_size=16, max_size=16))
def test_a_decision_id_is_32_lower_case_hex_digits_of_its_entropy(entropy):
    named = decision_id_from(entropy)
    assert re.fullmatch(r"[0-9a-f]{32}", named)
    assert bytes.fromhex(named) == entropy


@pytest.mark.parametrize("n_bytes", [0, 15, 17])
def test_other_lengths_are_refused(n_bytes):
    with pytest.raises(InputError, match=f"needs 16 random bytes, got {n_bytes}"):
        decision_id_from(bytes(n_bytes))
