import dataclasses

import numpy as np
import pytest

from markets import random_panel, random_predictions
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.stored import output_parts, pack_run, read_run, run_hash
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import ConflictError


@pytest.fixture(scope="module")
def result():
    return replay(
        random_predictions(5, (100, 2)), random_panel(5, 100, 2), params_for(parse_interval("1h"), 4)
    )


def test_a_run_reads_back_bit_for_bit(result):
    predictions = random_predictions(5, (100, 2))
    files = pack_run({"metrics": {"ic": 0.1}}, result, predictions)
    assert files == pack_run({"metrics": {"ic": 0.1}}, result, predictions)
    read = read_run(files)
    assert read.document == {"metrics": {"ic": 0.1}}
    for name in ("ts_ns", "equity", "weights", "fills", "trades"):
        assert getattr(read, name).tobytes() == getattr(result, name).tobytes()
        assert getattr(read, name).dtype == getattr(result, name).dtype


def test_a_missing_file_is_named(result):
    files = pack_run({}, result, random_predictions(5, (100, 2)))
    with pytest.raises(ConflictError, match=r"fills\.npy"):
        read_run({name: content for name, content in files.items() if name != "fills.npy"})


def test_any_output_changes_the_hash(result):
    predictions = random_predictions(5, (100, 2))
    parts = output_parts(result, predictions, {"ic": 0.1})
    equity = result.equity.copy()
    equity[-1] = np.nextafter(equity[-1], np.inf)
    other = output_parts(dataclasses.replace(result, equity=equity), predictions, {"ic": 0.1})
    assert run_hash(parts) != run_hash(other)
    assert run_hash(parts) != run_hash(output_parts(result, predictions, {"ic": 0.2}))
    assert run_hash(parts) == run_hash(dict(reversed(parts.items())))
