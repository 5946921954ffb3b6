"""Lists are written as PostgreSQL reads them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
import pytest
from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.arrays import array_literal


class Side(StrEnum):
    BUY = "buy"


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([], "{}"),
        ([1, -2, None], "{1,-2,NULL}"),
        (["a", "NULL", "", 'say "x\\y"', "a,{b}"], '{"a","NULL","","say \\"x\\\\y\\"","a,{b}"}'),
        ([0.1, float("nan"), float("inf"), np.float64(1e300)], "{0.1,nan,inf,1e+300}"),
        ([Decimal("0.10"), Decimal("1E-8")], "{0.10,1E-8}"),
        ([True, False], "{t,f}"),
        ([datetime(2026, 3, 1, tzinfo=UTC), date(2026, 3, 1)], '{"2026-03-01T00:00:00+00:00","2026-03-01"}'),
        ([Side.BUY], '{"buy"}'),
        ([Jsonb({"a": 'b"'})], '{"{\\"a\\": \\"b\\\\\\"\\"}"}'),
        ([[1, 2], [3, 4]], "{{1,2},{3,4}}"),
    ],
)
def test_elements_are_written_so_that_they_come_back(values: list[Any], written: str) -> None:
    assert array_literal(values) == written


@pytest.mark.parametrize("value", [b"bytes", object(), {"a": 1}, 1j])
def test_what_has_no_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="an element of an array must be"):
        array_literal([value])
