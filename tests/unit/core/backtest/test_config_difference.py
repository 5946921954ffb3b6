from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.backtest.config_difference import comparable_config, config_differences

leaves = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b"]) | st.lists(st.integers(0, 2))
)
trees = st.recursive(
    leaves, lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, min_size=1), max_leaves=8
)
configs = st.dictionaries(st.sampled_from("pqr"), trees)


def lookup(config, path):
    value = config
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return None if isinstance(value, dict) else value


@given(st.lists(configs, min_size=1, max_size=4))
def test_only_leaves_that_differ_are_told_and_none_is_missed(configs):
    found = config_differences(configs)
    for path, values in found.items():
        assert values == [lookup(config, path) for config in configs]
        assert any(value != values[0] for value in values)
    if not found:
        paths = {path for config in configs for path in _paths(config, "")}
        assert all(lookup(config, path) == lookup(configs[0], path) for config in configs for path in paths)


def _paths(tree, prefix):
    for key, value in tree.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            yield from _paths(value, path)
        else:
            yield path


@given(configs)
def test_a_configuration_does_not_differ_from_itself(config):
    assert config_differences([config, dict(config)]) == {}


def test_outputs_are_no_configuration():
    parts = {"bars": "b1", "features": "f1", "equity": "e1", "metrics": "m1", "params": "p1"}
    found = comparable_config({"replay": {"fee_bps": 5.0}, "replay_of": 3}, parts)
    assert found == {"replay": {"fee_bps": 5.0}, "data": {"bars": "b1", "features": "f1"}}
