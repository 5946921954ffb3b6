from dataclasses import replace

import pytest

from marketsentry.core.features.builtin import SCHEMA
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.exceptions import InputError

ONE = FeatureDef("x", "the close", "quote", 3, "bars", "never")


@pytest.mark.parametrize("field", ["name", "definition", "unit", "source", "missing_rule"])
def test_the_hash_moves_with_every_word(field: str):
    schema = FeatureSchema("v1", (ONE,))
    assert replace(schema, features=(replace(ONE, **{field: "other"}),)).hash != schema.hash


def test_the_hash_moves_with_lookback_version_and_order():
    two = FeatureSchema("v1", (ONE, replace(ONE, name="y")))
    others = [
        replace(two, version="v2"),
        replace(two, features=two.features[::-1]),
        replace(two, features=(replace(ONE, lookback_bars=4), two.features[1])),
    ]
    assert len({two.hash, *(other.hash for other in others)}) == 4


def test_the_longest_lookback():
    assert FeatureSchema("v1", (ONE, replace(ONE, name="y", lookback_bars=9))).max_lookback_bars == 9


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: replace(ONE, name="two words"), "'two words'"),
        (lambda: replace(ONE, lookback_bars=-1), "lookback_bars of x must be >= 0, was -1"),
        (lambda: FeatureSchema("v1", ()), "at least one"),
        (lambda: FeatureSchema("v1", (ONE, ONE)), r"\['x'\]"),
    ],
)
def test_a_malformed_schema_is_refused(make, says: str):
    with pytest.raises(InputError, match=says):
        make()


def test_every_built_in_feature_is_described():
    for feature in SCHEMA.features:
        assert all((feature.definition, feature.unit, feature.source, feature.missing_rule)), feature.name
