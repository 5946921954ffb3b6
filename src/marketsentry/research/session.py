"""A data directory, opened: its record, its models and its runs, for code that is not asynchronous."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from marketsentry.adapters.machine import LocalMachine
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.backtest.search import Value
from marketsentry.core.evidence.pack import EvidencePack
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import parse_time_ns
from marketsentry.ports.runs import StoredRun
from marketsentry.ports.training import ModelSpec, ParamValue
from marketsentry.reports.facts import Lang
from marketsentry.research.backtest import Backtest
from marketsentry.research.opened import OpenedHome
from marketsentry.research.search import Sweep, grid_search, sweep_of
from marketsentry.research.walk import BUILTIN_MODEL
from marketsentry.services.backtest import RunContext, backtest_defaults, run_backtest
from marketsentry.services.candidate import CandidateRequest, TrainingResult
from marketsentry.services.compare import account_of, find_run
from marketsentry.services.datasets import DatasetRequest, MarketHistory, read_history
from marketsentry.services.evidence import load_evidence
from marketsentry.services.plugins import BUILTIN_FEATURES
from marketsentry.services.report import member
from marketsentry.services.sweep import SweepRequest, run_sweep
from marketsentry.services.synth import SynthRequest, synthesise
from marketsentry.services.train_stored import TrainingParts, train_stored
from marketsentry.settings import load_settings


class Session:
    """A data directory, opened; used with `with`, or closed with `close`.

    It starts the engines of the directory as every verb of `ms` does, so nothing else may run on it, and works inside
    a notebook as in a script.

    Parameters
    ----------
    home
        The directory; None takes `MS_HOME` or `var`. With `DATABASE_URL` set that database is the record.
    """

    def __init__(self, home: str | os.PathLike[str] | None = None) -> None:
        settings = load_settings(
            {**os.environ, **({} if home is None else {"MS_HOME": str(Path(home).absolute())})}
        )
        self._home = OpenedHome(settings)

    def synthesise(
        self,
        *,
        seed: int = 7,
        symbols: Sequence[str] = ("BTC", "ETH", "SOL"),
        interval: str = "1h",
        days: float = 180.0,
        signal_strength: float = 1.0,
    ) -> None:
        """Store a synthetic market, as `ms data synth` does.

        Parameters
        ----------
        seed
            Of all draws.
        symbols
            Canonical symbols.
        interval
            Length of a bar.
        days
            Length of the market.
        signal_strength
            0: nothing to find; 1: a small edge; at most 10.

        Raises
        ------
        ConflictError
            If a symbol has recorded data, or a synthetic market of another recipe.
        """
        bar = parse_interval(interval)
        request = SynthRequest(
            seed=seed,
            symbols=tuple(symbols),
            interval=bar,
            n_bars=int(days * bar.bars_per_day),
            signal_strength=signal_strength,
        )
        system = self._home.system
        self._home.run(synthesise(request, transactions=system.transactions, clock=system.clock))

    def bars(
        self, symbols: Sequence[str], *, interval: str, since: str | None = None, until: str | None = None
    ) -> MarketHistory:
        """Read stored bars, with the funding and the events beside them.

        Parameters
        ----------
        symbols
            Canonical symbols.
        interval
            Length of the bars.
        since
            First open time, such as `2024-01-01`; None is the first bar.
        until
            Bars open before it, and nothing known later is read.

        Returns
        -------
        MarketHistory

        Raises
        ------
        NotFoundError
            If a symbol has no such bars.
        """
        system = self._home.system
        request = _dataset_request(symbols, interval, since, until)

        async def read() -> MarketHistory:
            async with system.transactions() as stores:
                return await read_history(stores, request)

        return self._home.run(read())

    def train(
        self,
        symbols: Sequence[str],
        *,
        interval: str,
        horizon: str,
        name: str,
        version: str,
        since: str | None = None,
        until: str | None = None,
        model: str = BUILTIN_MODEL,
        model_params: Mapping[str, ParamValue] | None = None,
        features: str = BUILTIN_FEATURES,
        n_folds: int = 5,
        seed: int = 42,
    ) -> TrainingResult:
        """Train, judge and register a version, as `ms train` does; it counts as a trial.

        Parameters
        ----------
        symbols
            Canonical symbols.
        interval
            Length of the bars.
        horizon
            Which label.
        name
            Of the model.
        version
            Of the model; it never changes once registered.
        since
            As for `bars`.
        until
            As for `bars`.
        model
            `lightgbm_panel`, a file of your own, or an entry point.
        model_params
            Of the model, by name.
        features
            `builtin`, a file of your own, or an entry point.
        n_folds
            Walk-forward folds.
        seed
            Of all draws.

        Returns
        -------
        TrainingResult
            With `verdict` and `metrics`; `status` says if the data gate blocked it.

        Raises
        ------
        InputError
            If the history cannot hold the folds or the model fails.
        ConflictError
            If the version exists and was made from other inputs.
        """
        system = self._home.system
        candidate = CandidateRequest(
            name=name,
            version=version,
            horizon=horizon,
            model=ModelSpec(model, dict(model_params or {})),
            features=features,
            n_folds=n_folds,
            seed=seed,
        )
        parts = TrainingParts(
            transactions=system.transactions,
            artifacts=system.artifacts,
            dataset_files=system.dataset_files,
            trainer=system.trainer,
            clock=system.clock,
            code_version=system.code_version,
            quality_limits=system.quality_limits,
        )
        wanted = _dataset_request(symbols, interval, since, until)
        return self._home.run(train_stored(wanted, candidate, parts, on_progress=lambda step, share: None))

    def backtest(
        self,
        model: str,
        *,
        symbols: Sequence[str] = (),
        lookback_days: int = 90,
        train_days: int = 35,
        test_days: int = 7,
        fee_bps: float = 5.0,
        slippage_bps: float = 3.0,
        model_file: str | None = None,
    ) -> Backtest:
        """Replay a registered model over stored history and store the run, as `ms backtest run` does.

        Parameters
        ----------
        model
            NAME or NAME:VERSION.
        symbols
            The universe of the settings if empty.
        lookback_days
            Window that ends at the newest snapshot.
        train_days
            First part of it, not traded.
        test_days
            Length of each reported window.
        fee_bps
            Fee on traded notional.
        slippage_bps
            Half-spread on traded notional.
        model_file
            Source of a model of your own.

        Returns
        -------
        Backtest

        Raises
        ------
        ConflictError
            If the run failed; it is stored with its reason.
        """
        system = self._home.system
        name, _, version = model.partition(":")
        request = BacktestRequest(
            track="liquid",
            targets=tuple(symbols),
            model_name=name or None,
            model_version=version or None,
            data_version=system.settings.data_version,
            lookback_days=lookback_days,
            train_days=train_days,
            test_days=test_days,
            fee_bps=fee_bps,
            slippage_bps=slippage_bps,
        )
        return self._read(
            self._home.run(
                run_backtest(
                    request,
                    transactions=system.transactions,
                    artifacts=system.artifacts,
                    clock=system.clock,
                    defaults=backtest_defaults(system.settings),
                    code_version=system.code_version,
                    model_file=model_file,
                )
            )
        )

    def sweep(
        self,
        model: str,
        grid: Mapping[str, Sequence[Value]],
        *,
        symbols: Sequence[str] = (),
        lookback_days: int = 90,
        train_days: int = 35,
        rank_by: str = "sharpe",
        lang: str = "en",
    ) -> Sweep:
        """Replay a registered model under every combination of a grid, as `ms backtest sweep` does.

        Every setting counts as a trial of the track, once however often the same sweep is asked for.

        Parameters
        ----------
        model
            NAME or NAME:VERSION.
        grid
            Values to try by parameter name.
        symbols
            The universe of the settings if empty.
        lookback_days
            Window that ends at the newest snapshot.
        train_days
            First part of it, not traded.
        rank_by
            `sharpe`, `sortino` or `pnl_after_cost`.
        lang
            Language of the page, `zh` or `en`.

        Returns
        -------
        Sweep
            `n_trials` are those of the track so far.

        Raises
        ------
        InputError
            If a parameter, the rank or the language is unknown, or no combination makes parameters.
        ConflictError
            If the model or its inputs cannot be replayed.
        """
        system, language = self._home.system, member(Lang, "lang", lang)
        name, _, version = model.partition(":")
        window = BacktestRequest(
            track="liquid",
            targets=tuple(symbols),
            model_name=name or None,
            model_version=version or None,
            data_version=system.settings.data_version,
            lookback_days=lookback_days,
            train_days=train_days,
        )
        found = self._home.run(
            run_sweep(
                SweepRequest(window, grid_search(grid), rank_by),
                context=RunContext(system.transactions, system.artifacts, system.clock, system.code_version),
                defaults=backtest_defaults(system.settings),
                n_threads=LocalMachine().cores(),
            )
        )
        return sweep_of(
            found.document,
            found.plateau,
            n_impossible=found.n_impossible,
            n_trials=found.n_trials,
            language=language,
        )

    def run(self, reference: str | int) -> Backtest:
        """Read a stored run.

        Parameters
        ----------
        reference
            Its id, 0 or -1 for the newest, MODEL or MODEL:VERSION for the newest of it.

        Returns
        -------
        Backtest

        Raises
        ------
        NotFoundError
            If there is no such run.
        ConflictError
            If it failed.
        """

        system = self._home.system

        async def find() -> StoredRun:
            async with system.transactions() as stores:
                return await find_run(str(reference), stores)

        return self._read(self._home.run(find()))

    def evidence(self, model: str) -> EvidencePack:
        """Read the evidence pack of a registered version; raises `NotFoundError`.

        Parameters
        ----------
        model
            NAME:VERSION, or NAME for the newest.

        Returns
        -------
        EvidencePack
        """
        system = self._home.system
        name, _, version = model.partition(":")
        found = self._home.run(
            load_evidence(
                name,
                version or None,
                track="liquid",
                transactions=system.transactions,
                artifacts=system.artifacts,
            )
        )
        return found.pack

    def close(self) -> None:
        """Stop the engines of the directory; a second call does nothing."""
        self._home.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, stored: StoredRun) -> Backtest:
        run = account_of(stored, self._home.system.artifacts)
        return Backtest(run.account.name, run.account, stored.run.metrics, run.config)


def _dataset_request(
    symbols: Sequence[str], interval: str, since: str | None, until: str | None
) -> DatasetRequest:
    return DatasetRequest(
        symbols=tuple(symbols),
        interval=parse_interval(interval),
        since_ns=parse_time_ns(since) if since else None,
        until_ns=parse_time_ns(until) if until else None,
    )
