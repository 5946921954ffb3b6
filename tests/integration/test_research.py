"""The research door on a data directory of its own: real engines, real training, from plain code and from a loop."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from marketsentry import research
from marketsentry.exceptions import ConflictError, DataQualityError, InputError, NotFoundError
from marketsentry.services.candidate import TrainingResult

SYMBOLS = ("BTC", "ETH")
MODEL = {"n_trees": 20}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("research") / "home"


@pytest.fixture(scope="module")
def desk(home: Path) -> Iterator[research.Session]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATABASE_URL", "REDIS_URL"):
            patch.delenv(name, raising=False)
        with research.Session(home) as session:
            session.synthesise(seed=5, symbols=SYMBOLS, interval="1h", days=110, signal_strength=2.0)
            yield session


def test_stored_bars_are_the_synthetic_ones_with_their_news(desk: research.Session) -> None:
    made = research.synthetic_bars(seed=5, symbols=SYMBOLS, interval="1h", days=110, signal_strength=2.0)
    stored = desk.bars(SYMBOLS, interval="1h")
    np.testing.assert_array_equal(stored.panel.values, made.panel.values)
    assert stored.inputs.events["BTC"].known_at_ns.size > 0
    part = desk.bars(("BTC",), interval="1h", since="2024-02-01", until="2024-02-03")
    assert part.panel.n_bars == 48
    with pytest.raises(NotFoundError, match="no bars of SOL 1h"):
        desk.bars(("SOL",), interval="1h")


@pytest.fixture(scope="module")
def trained(desk: research.Session) -> TrainingResult:
    """`door:v1`, registered."""
    return desk.train(
        SYMBOLS, interval="1h", horizon="1h", name="door", version="v1", model_params=MODEL, n_folds=3
    )


def test_a_walk_forward_is_the_training_that_counts(desk: research.Session, trained: TrainingResult) -> None:
    dataset = research.build_features(desk.bars(SYMBOLS, interval="1h"))
    walked = research.walk_forward(dataset, horizon="1h", model_params=MODEL, n_folds=3)
    for name in ("ic", "pnl_after_cost", "sharpe", "trades"):
        assert walked.metrics[name] == trained.metrics[name], name
    assert walked.evidence.skill == desk.evidence("door:v1").skill
    assert np.isnan(walked.predictions[: walked.first_tested]).all()
    assert np.isfinite(walked.predictions[walked.first_tested]).all()


@pytest.mark.usefixtures("trained")
def test_stored_backtests_are_read_compared_and_drawn(desk: research.Session, tmp_path: Path) -> None:
    window = {"symbols": SYMBOLS, "lookback_days": 50, "train_days": 20}
    free = desk.backtest("door:v1", fee_bps=0.0, slippage_bps=0.0, **window)
    dear = desk.backtest("door:v1", fee_bps=1.0, slippage_bps=0.0, **window)
    again = desk.run("door:v1")
    assert again.name == dear.name
    np.testing.assert_array_equal(again.equity, dear.equity)
    found = research.compare(free, dear)
    assert dict(found.found.differences) == {"fee_bps": [0.0, 1.0], "replay.fee_bps": [0.0, 1.0]}
    assert research.plot(free, dear).save(tmp_path / "plot.html").is_file()
    with pytest.raises(ConflictError, match="cannot be compared: it failed"):
        desk.backtest("nobody:v1")
    with pytest.raises(NotFoundError):
        desk.run(99_999)
    with pytest.raises(NotFoundError):
        desk.evidence("nobody:v1")


@pytest.mark.usefixtures("trained")
def test_a_sweep_of_a_session_counts_once(desk: research.Session) -> None:
    window = {"symbols": SYMBOLS, "lookback_days": 50, "train_days": 20}
    grid = {"cost_multiple": [0.1, 0.5], "half_spread_bps": [0.0, 1.0]}
    first = desk.sweep("door:v1", grid, **window)
    again = desk.sweep("door:v1", grid, **window)
    assert len(first.rows) == 4
    assert first.n_trials == again.n_trials >= 4
    assert first.rows == again.rows
    assert first.best["sharpe"] == max(row["sharpe"] for row in first.rows if row["sharpe"] is not None)
    with pytest.raises(InputError, match="must be one of capital_quote"):
        desk.sweep("door:v1", {"speed": [1.0]})
    with pytest.raises(ConflictError, match="model_artifact_missing"):
        desk.sweep("nobody:v1", grid)


def test_it_works_under_a_running_loop(desk: research.Session) -> None:
    async def notebook() -> int:
        return desk.bars(("BTC",), interval="1h").panel.n_bars

    assert asyncio.run(notebook()) == 110 * 24


def test_a_second_session_on_the_directory_is_refused(desk: research.Session, home: Path) -> None:
    with pytest.raises(ConflictError):
        research.Session(home)
    assert desk.bars(("BTC",), interval="1h").panel.n_bars == 110 * 24, "the first one goes on"


def test_what_the_gate_blocks_is_not_walked() -> None:
    bars = research.synthetic_bars(symbols=("BTC", "ETH"), days=60)
    btc, eth = bars.panel.values[:, 0].copy(), bars.panel.values[:, 1].copy()
    ts_ns = bars.panel.ts_ns.astype(np.float64)
    keep = np.random.default_rng(1).random(ts_ns.size) < 0.3
    holed = research.load_bars(
        {"BTC": np.column_stack([ts_ns, btc]), "ETH": np.column_stack([ts_ns, eth])[keep]}, interval="1h"
    )
    dataset = research.build_features(holed)
    assert [one.symbol for one in dataset.blocked] == ["ETH"]
    with pytest.raises(DataQualityError, match="the data gate blocks ETH"):
        research.walk_forward(dataset, horizon="1h")


def test_a_history_that_cannot_hold_the_folds_is_refused() -> None:
    short = research.build_features(research.synthetic_bars(symbols=("BTC",), days=20))
    with pytest.raises(InputError, match=r"fold|bars"):
        research.walk_forward(short, horizon="7d")


def test_a_closed_session_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    session = research.Session(tmp_path / "closed")
    session.close()
    session.close()
    for use in (
        lambda: session.bars(("BTC",), interval="1h"),
        lambda: session.run(0),
        lambda: session.evidence("panel"),
        lambda: session.backtest("panel"),
        session.synthesise,
    ):
        with pytest.raises(ConflictError, match="the session is closed"):
            use()
