"""Replays of random markets as the accounts that a comparison takes."""

from dataclasses import replace

from markets import random_panel, random_predictions
from marketsentry.core.backtest.common_window import RunAccount
from marketsentry.core.backtest.compare import ComparedRun
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay


def replayed(seed, n_bars, *, n_targets=2, interval="1h", start=0, name=None, market=0, **changes):
    """Replay random predictions `seed` over the bars from `start` of a random market."""
    panel = random_panel(market, start + n_bars, n_targets, interval=interval).window(start, start + n_bars)
    params = params_for(panel.interval, 4, **{"volatility_warmup_bars": 3, "cost_multiple": 0.1, **changes})
    predictions = random_predictions(seed, panel.close.shape)
    return panel, predictions, replay(predictions, panel, params)


def account_of(result, panel, *, name="run 1", traded_from=0):
    """Give a replay as the account of a run."""
    return RunAccount(
        name=name,
        symbols=panel.symbols,
        interval=panel.interval,
        params=result.params,
        traded_from_ns=int(panel.ts_ns[traded_from]),
        ts_ns=panel.ts_ns,
        equity=result.equity,
        weights=result.weights,
        fills=result.fills,
        trades=result.trades,
        funding=result.funding,
    )


def compared(seed, n_bars, *, name="run 1", config=None, skill=None, **options):
    """Give a replay as a run to compare."""
    panel, _, result = replayed(seed, n_bars, **options)
    return ComparedRun(
        account_of(result, panel, name=name), config or {"replay": result.params.document()}, skill or {}
    )


def renamed(run, name):
    """The same run under another name."""
    return replace(run, account=replace(run.account, name=name))
