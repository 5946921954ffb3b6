import pytest

from marketsentry.cli.train_request import TrainOptions, make_requests, parse_params
from marketsentry.exceptions import InputError
from marketsentry.settings import load_settings

OPTIONS = TrainOptions(
    name="panel",
    version="v1",
    symbols="",
    interval="60m",
    horizon="4h",
    since="2024-01-01",
    until="",
    features="builtin",
    model="lightgbm_panel",
    params=("n_trees=20", "l2=0.5"),
    folds=6,
    kfold=0,
    cpcv="6x2",
    embargo=5,
    seed=None,
    threads=3,
    memory_limit_mib=512,
)


def test_settings_fill_what_was_not_typed() -> None:
    settings = load_settings(
        {
            "LIQUID_SYMBOLS": "btc,eth",
            "TRAIN_SEED": "9",
            "GATE_MAX_DRAWDOWN": "0.3",
            "RISK_MAX_SINGLE_WEIGHT": "0.1",
        }
    )
    wanted, candidate = make_requests(OPTIONS, settings)
    assert wanted.symbols == ("BTC", "ETH")
    assert str(wanted.interval) == "1h"
    assert candidate.combinatorial == (6, 2)
    assert wanted.since_ns == 1_704_067_200 * 10**9
    assert wanted.until_ns is None
    assert (candidate.seed, candidate.n_folds, candidate.embargo_bars, candidate.n_threads) == (9, 6, 5, 3)
    assert candidate.model.params == {"n_trees": 20, "l2": 0.5}
    assert candidate.memory_limit_bytes == 512 << 20
    assert candidate.limits.max_drawdown_frac == 0.3
    assert candidate.replay is not None
    assert (candidate.replay.horizon_bars, candidate.replay.max_single_weight) == (4, 0.1)


def test_values_of_parameters_keep_their_kind() -> None:
    texts = ["a=1", "b=0.5", "c=true", "d=null", "e=word", "f=1=2"]
    assert parse_params(texts) == {"a": 1, "b": 0.5, "c": True, "d": None, "e": "word", "f": "1=2"}


@pytest.mark.parametrize("text", ["n_trees", "=5", "n trees=5", "a=[1]"])
def test_malformed_parameters_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="param"):
        parse_params([text])
