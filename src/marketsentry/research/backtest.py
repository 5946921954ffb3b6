"""Replay predictions of any origin: the same core that trades a registered model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from marketsentry.core.backtest.common_window import RunAccount
from marketsentry.core.backtest.compare import ComparedRun
from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.backtest.replay import ReplayResult
from marketsentry.core.backtest.replay import replay as replay_core
from marketsentry.core.backtest.summary import summarise
from marketsentry.core.dataset import Dataset, horizon_bars
from marketsentry.core.lineage import hash_array
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.market.symbols import Market
from marketsentry.core.training.market import panel_on_its_market
from marketsentry.exceptions import InputError
from marketsentry.services.datasets import MarketHistory

Bars = MarketHistory | Dataset | BarPanel


@dataclass(frozen=True, slots=True)
class Backtest:
    """One account over time.

    `metrics` as a stored run has them (contract 1.7), whole; `equity` (T,) at each close in quote currency; `trades`
    and `fills` are structured arrays. `config` is what decided it.
    """

    name: str
    account: RunAccount
    metrics: Mapping[str, Any]
    config: Mapping[str, Any] = field(repr=False)

    @property
    def equity(self) -> NDArray[np.float64]:
        """Equity at each close (T,), quote currency."""
        return self.account.equity

    @property
    def trades(self) -> NDArray[np.void]:
        """Round trips, see `core.backtest.tape`."""
        return self.account.trades

    @property
    def compared(self) -> ComparedRun:
        """What a comparison takes."""
        return ComparedRun(self.account, self.config, self.metrics)

    def _repr_html_(self) -> str:
        from marketsentry.research.drawing import plot  # draws backtests, so it imports this module

        return plot(self)._repr_html_()


def replay(
    predictions: ArrayLike,
    bars: Bars,
    *,
    horizon: str,
    name: str = "backtest",
    traded_from: int = 0,
    **params: Any,  # values of any replay parameter
) -> Backtest:
    """Trade predictions over bars.

    Parameters
    ----------
    predictions
        Shape (T, N) as the bars: expected gross return over the horizon as a fraction, made at the close of each bar
        from what was known then. NaN: none. It fills no earlier than the next bar's open.
    bars
        What `load_bars`, `synthetic_bars` or `build_features` gave, or a panel.
    horizon
        How far the predictions look ahead: `1h`, `4h`, `1d` or `7d`.
    name
        Of the backtest, in plots and comparisons.
    traded_from
        First row that counts; those before it must not be predicted.
    **params
        Replay parameters by name, such as `fee_bps`; others keep their default.

    Returns
    -------
    Backtest

    Raises
    ------
    InputError
        If the shape differs, a prediction is infinite or lies before `traded_from`, or a parameter is unknown or out
        of range.

    Examples
    --------
    >>> import numpy as np
    >>> from marketsentry.research import replay, synthetic_bars
    >>> bars = synthetic_bars(symbols=("BTC",), days=10)
    >>> nothing = replay(np.full(bars.panel.close.shape, np.nan), bars, horizon="4h")
    >>> nothing.metrics["trades"], nothing.metrics["pnl_after_cost"]
    (0, 0.0)
    """
    panel = panel_of(bars)
    values = np.ascontiguousarray(predictions, dtype=np.float64)
    if values.shape == panel.close.shape and np.isfinite(values[:traded_from]).any():
        raise InputError(f"predictions must be NaN before traded_from, row {traded_from}")
    made = base_params(panel, horizon, params)
    result = replay_core(values, panel, made)
    metrics = summarise(result, values, panel, traded_from=traded_from)
    config = {
        "replay": made.document(),
        "horizon": horizon,
        "symbols": list(panel.symbols),
        "sources": dict(zip(panel.symbols, panel.sources, strict=True)),
        "data": {"bars": hash_array(panel.values), "predictions": hash_array(values)},
    }
    return Backtest(name, _account(result, panel, name, traded_from), metrics, config)


def panel_of(bars: Bars) -> BarPanel:
    """Give the panel of whatever holds bars; of perpetuals with the rates of funding that stand beside them."""
    if not isinstance(bars, BarPanel):
        return panel_on_its_market(bars.panel, bars.inputs.funding)
    return bars if bars.funding is not None else panel_on_its_market(bars, {})


def bars_ahead(panel: BarPanel, horizon: str) -> int:
    """Count the bars in a horizon; raises `InputError` for one that the bars do not divide."""
    known = horizon_bars(panel.interval)
    if horizon not in known:
        raise InputError(
            f"horizon must be one of {', '.join(known) or 'none'} for {panel.interval} bars, was {horizon!r}"
        )
    return known[horizon]


def base_params(panel: BarPanel, horizon: str, changes: Mapping[str, Any]) -> ReplayParams:
    """Make the parameters of a replay, or those that a sweep varies; the bars say which market it is."""
    market = {} if panel.funding is None else {"market": Market.PERP}
    return params_for(panel.interval, bars_ahead(panel, horizon), **market, **changes)


def _account(result: ReplayResult, panel: BarPanel, name: str, traded_from: int) -> RunAccount:
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
