"""In what the configurations of several runs differ: every leaf by its path, and only those."""

from collections.abc import Mapping, Sequence
from typing import Any

OUTPUTS = frozenset({"predictions", "equity", "weights", "fills", "trades", "metrics"})
_TOLD_ELSEWHERE = frozenset({"params", "request", "model", "code"})  # leaf by leaf in the configuration


def config_differences(
    configs: Sequence[Mapping[str, Any]],
) -> dict[str, list[Any]]:  # Any: JSON values in and out
    """Find the leaves that are not the same in every configuration.

    Parameters
    ----------
    configs
        JSON values, one mapping per run. Mappings are walked into, lists are leaves.

    Returns
    -------
    dict
        By path, such as `replay.fee_bps`, the value of each run; None where a run has nothing there.

    Examples
    --------
    >>> config_differences([{"fee": {"bps": 5.0}, "seed": 1}, {"fee": {"bps": 2.0}, "seed": 1}])
    {'fee.bps': [5.0, 2.0]}
    """
    flat = [dict(_leaves(one, "")) for one in configs]
    paths = sorted({path for one in flat for path in one})
    values = {path: [one.get(path) for one in flat] for path in paths}
    return {path: each for path, each in values.items() if any(value != each[0] for value in each)}


def comparable_config(config: Mapping[str, Any], parts: Mapping[str, str]) -> dict[str, Any]:
    """Give what decides a run: its configuration, and the hashes of its data, without what came out of it."""
    hashes = {name: value for name, value in parts.items() if name not in OUTPUTS | _TOLD_ELSEWHERE}
    kept = {name: value for name, value in config.items() if name != "replay_of"}
    return {**kept, "data": hashes}


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        return [(path, value)]
    return [leaf for key in value for leaf in _leaves(value[key], f"{path}.{key}" if path else str(key))]
