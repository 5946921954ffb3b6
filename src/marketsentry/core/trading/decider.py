"""Decide one bar at a time: the live end of the decision core (design D1).

A backtest loops the compiled functions over a panel; a `Decider` calls the same ones for one bar, with the quantities
and the cash that the ledger holds. What else a decision remembers (volatility, age of the last prediction, peak, start
of the day) it keeps itself and hands out as a document, so that a restart goes on with the same bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.policy import UserPolicy, bind_policy
from marketsentry.core.backtest.replay import make_groups, make_state
from marketsentry.core.market.bars import CLOSE, FIELDS
from marketsentry.core.risk.profiles import BucketCaps, Profile
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.kernels import account as acc
from marketsentry.kernels.records import Market
from marketsentry.kernels.sizing import volatility_of
from marketsentry.kernels.step import close_bar

STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the ledger says is held after the fills of a bar: `qty` signed base units (N,), `cash` in quote currency.

    `average_price` (N,) is at fill prices, 0 when flat; only a user's policy sees it.
    """

    qty: NDArray[np.float64]
    average_price: NDArray[np.float64]
    cash: float


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision at the close of one bar; arrays are (N,).

    `equity` is cash and positions at their marks after `funding_quote`, what holding cost in this bar, was paid.
    `weights` are held, `wanted` decided before the no-trade band and the turnover limit, `target_qty` signed base units
    to hold from the next bar on. `volatility` is the deviation of a bar's return as estimated now. `marks` are last
    known prices, NaN before the first.
    """

    ts_ns: int
    equity: float
    weights: NDArray[np.float64]
    wanted: NDArray[np.float64]
    target_qty: NDArray[np.float64]
    funding_quote: NDArray[np.float64]
    volatility: NDArray[np.float64]
    marks: NDArray[np.float64]


class Decider:
    """Decides for one account on spot, bar after bar.

    Parameters
    ----------
    symbols
        The targets, in the order of every array.
    params
        The same that a backtest takes.
    profiles
        As `core.backtest.replay.replay` takes them.
    bucket_caps
        The same.
    policy
        The same.

    Raises
    ------
    InputError
        If the parameters are those of perpetuals, or let a decision wait for more than the next bar.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        params: ReplayParams,
        *,
        profiles: Sequence[Profile] | None = None,
        bucket_caps: BucketCaps | None = None,
        policy: UserPolicy | None = None,
    ) -> None:
        if params.is_perpetual:
            raise InputError(f"market must be spot to be traded bar by bar, was {params.market}")
        if params.latency_bars != 1:
            raise InputError(f"latency_bars must be 1 to be traded bar by bar, was {params.latency_bars}")
        self.symbols = tuple(symbols)
        self.params = params
        self._groups = make_groups(profiles, bucket_caps, params, len(self.symbols))
        self._state = make_state(
            params, len(self.symbols), n_groups=max(caps.size for caps in self._groups[1::2])
        )
        self._policy = bind_policy(policy, params)
        self._capital_frac = 1.0

    def close_bar(
        self,
        ts_ns: int,
        bars: NDArray[np.float64],
        predictions: NDArray[np.float64],
        holdings: Holdings,
        *,
        confidence: NDArray[np.float64] | None = None,
        capital_frac: float = 1.0,
    ) -> Decided:
        """Decide at the close of a bar.

        Parameters
        ----------
        ts_ns
            Open time of the bar, UTC epoch ns, later than that of the one before.
        bars
            Shape (N, 5). NaN where a target has no bar.
        predictions
            Shape (N,). Expected gross return over the horizon; NaN: none, nothing opens on it.
        holdings
            What is held.
        confidence
            Shape (N,). 0..1 beside each prediction. None: all count fully.
        capital_frac
            Share of the equity that is traded with, 0 < f <= 1; the rest is cash that lies idle. A decision is the same
            as that of an account with so much less, and is told as a part of the whole.

        Returns
        -------
        Decided

        Raises
        ------
        InputError
            If shapes differ, or holdings, a prediction or the share are not what may be traded on.
        """
        n = len(self.symbols)
        self._check(bars, predictions, holdings, confidence)
        self._trade_with(capital_frac)
        book, account = self._state.book, self._state.account
        book[:, acc.QTY], book[:, acc.AVG_PRICE] = holdings.qty, holdings.average_price
        idle = self._idle(bars, holdings)
        account[acc.CASH] = holdings.cash - idle
        paid_before = book[:, acc.FUNDING].copy()
        market = Market(
            np.array([ts_ns], dtype=np.int64),
            np.ascontiguousarray(bars, dtype=np.float64).reshape(1, n, len(FIELDS)),
            np.ascontiguousarray(predictions, dtype=np.float64).reshape(1, n),
            np.zeros((0, 0))
            if confidence is None
            else np.ascontiguousarray(confidence, dtype=np.float64).reshape(1, n),
        )
        rules = self.params.rules(with_confidence=confidence is not None, policy=self._policy)
        close_bar(market, rules, self._groups, self._state)
        return self._decided(ts_ns, book[:, acc.FUNDING] - paid_before, idle)

    def begin(self, holdings: Holdings, *, capital_frac: float = 1.0) -> None:
        """Begin with the cash that is there instead of the capital of the parameters; peak and day start from it.

        Raises `InputError` when something is held, or there is no cash.
        """
        if holdings.qty.any() or not holdings.cash > 0.0:
            held = dict(zip(self.symbols, holdings.qty.tolist(), strict=True))
            raise InputError(
                f"a trader must begin with cash and no positions, has {holdings.cash} and {held}"
            )
        self._trade_with(capital_frac)
        account = self._state.account
        account[[acc.CASH, acc.EQUITY, acc.PEAK, acc.DAY_START]] = capital_frac * holdings.cash

    def keep(self, symbol: str) -> None:
        """Forget the wish for a target whose order was not let through: it stays as it is until the next decision."""
        n = self.symbols.index(symbol)
        self._state.book[n, acc.TARGET_QTY] = self._state.book[n, acc.QTY]

    def document(self) -> dict[str, Any]:
        """Write down all that the next bar needs besides the ledger; NaN becomes None."""
        return {
            "version": STATE_VERSION,
            "symbols": list(self.symbols),
            "capital_frac": self._capital_frac,
            "book": [[_plain(value) for value in row] for row in self._state.book.tolist()],
            "account": [_plain(value) for value in self._state.account.tolist()],
        }

    def restore(self, document: Mapping[str, Any]) -> None:
        """Take up what `document` wrote; raises `ConflictError` when it is of other targets or another version."""
        if document.get("version") != STATE_VERSION or tuple(document["symbols"]) != self.symbols:
            raise ConflictError(
                f"the state of the trader must be version {STATE_VERSION} of {', '.join(self.symbols)}, was version "
                f"{document.get('version')} of {', '.join(document['symbols'])}"
            )
        self._state.book[:] = [[_number(value) for value in row] for row in document["book"]]
        self._state.account[:] = [_number(value) for value in document["account"]]
        self._capital_frac = float(document.get("capital_frac", 1.0))

    def _trade_with(self, capital_frac: float) -> None:
        """Take up another share of the capital: peak and start of the day are those of the part that is traded with."""
        if not 0.0 < capital_frac <= 1.0:
            raise InputError(f"capital_frac must be > 0 and <= 1, was {capital_frac}")
        if capital_frac != self._capital_frac:
            self._state.account[[acc.EQUITY, acc.PEAK, acc.DAY_START]] *= capital_frac / self._capital_frac
            self._capital_frac = capital_frac

    def _idle(self, bars: NDArray[np.float64], holdings: Holdings) -> float:
        """Cash that is not traded with, at the marks of this bar."""
        if self._capital_frac == 1.0:
            return 0.0
        close, known = bars[:, CLOSE], self._state.book[:, acc.MARK_PRICE]
        held = holdings.qty != 0.0
        worth = float((holdings.qty * np.where(close > 0.0, close, known))[held].sum())
        return (1.0 - self._capital_frac) * (holdings.cash + worth)

    def _decided(self, ts_ns: int, funding: NDArray[np.float64], idle: float) -> Decided:
        book, equity = self._state.book, float(self._state.account[acc.EQUITY]) + idle
        held = np.where(book[:, acc.QTY] != 0.0, book[:, acc.QTY] * book[:, acc.MARK_PRICE], 0.0)
        warmup = float(self.params.volatility_warmup_bars)
        return Decided(
            ts_ns=ts_ns,
            equity=equity,
            weights=held / equity if equity > 0.0 else np.full(len(book), np.nan),
            wanted=book[:, acc.WEIGHT] * self._capital_frac,
            target_qty=book[:, acc.TARGET_QTY].copy(),
            funding_quote=funding,
            volatility=np.array(
                [volatility_of(row[acc.VARIANCE], row[acc.N_RETURNS], warmup) for row in book]
            ),
            marks=book[:, acc.MARK_PRICE].copy(),
        )

    def _check(
        self,
        bars: NDArray[np.float64],
        predictions: NDArray[np.float64],
        holdings: Holdings,
        confidence: NDArray[np.float64] | None,
    ) -> None:
        n = len(self.symbols)
        if bars.shape != (n, len(FIELDS)):
            raise InputError(f"bars must have shape {(n, len(FIELDS))}, was {bars.shape}")
        for name, row in (("predictions", predictions), ("qty", holdings.qty), ("confidence", confidence)):
            if row is not None and row.shape != (n,):
                raise InputError(f"{name} must have shape {(n,)}, was {row.shape}")
        if np.isinf(predictions).any():
            raise InputError("predictions must be finite or NaN, was infinite")
        if not (np.isfinite(holdings.qty).all() and np.isfinite(holdings.cash)):
            raise InputError(f"holdings must be finite, was {holdings.qty.tolist()} and cash {holdings.cash}")


def _plain(value: float) -> float | str | None:
    return None if np.isnan(value) else value if np.isfinite(value) else repr(value)


def _number(value: float | str | None) -> float:
    return float("nan") if value is None else float(value)
