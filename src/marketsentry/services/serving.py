"""The served model and the newest features of its universe: loaded once, kept, and checked against the record.

Each version is parsed once by the hash of its files. Its features are kept as a stream (`core.serving.stream`):
the first answer steps over the history, every other one over what is new.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketsentry.core.market.interval import Interval
from marketsentry.core.serving.answer import Reason, Why
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.ports import Artifacts, Stores, Transactions
from marketsentry.ports.models import RegisteredModel

if TYPE_CHECKING:  # brings the kernels, which a program that does not predict need not wait for
    from marketsentry.core.features.feature_set import FeatureSet
    from marketsentry.core.market.records import SeriesInfo
    from marketsentry.core.serving.readiness import ServedRow
    from marketsentry.core.serving.stream import FeatureStream, LiveBar
    from marketsentry.services.backtest_model import ScoringModel

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A parsed version with the feature set that it reads and its universe."""

    scoring: "ScoringModel"
    feature_set: "FeatureSet"
    symbols: tuple[str, ...]

    @property
    def sha256(self) -> str:
        return self.scoring.registered.model.artifact_sha256


@dataclass(slots=True)
class ServingCache:
    """What one process keeps between predictions: nothing that the record could not give again."""

    models: dict[str, ServedModel] = field(default_factory=dict)
    streams: "dict[str, FeatureStream]" = field(default_factory=dict)
    locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))


async def choose_models(
    stores: Stores, targets: Sequence[str], horizon: str, served: Mapping[str, tuple[str, str]]
) -> Mapping[str, RegisteredModel | Why]:
    """Find the version that is configured for a horizon, or say of each target why it cannot serve it.

    No other version is ever taken instead: what serves is what was chosen (K-65).
    """
    name, version = served[horizon]
    try:
        registered = await stores.models.get(name, version, track="liquid")
    except NotFoundError as error:
        return dict.fromkeys(targets, Why(Reason.MODEL_NOT_REGISTERED, str(error)))
    return {target: _refusal(registered, target, horizon) or registered for target in targets}


def _refusal(registered: RegisteredModel, target: str, horizon: str) -> Why | None:
    model = registered.model
    named = f"model {model.name}:{model.version}"
    if model.state == "refused":
        return Why(Reason.MODEL_REFUSED, f"{named} was refused by the leak test")
    if model.manifest["horizon"] != horizon:
        return Why(
            Reason.HORIZON_NOT_SERVED,
            f"{named} predicts {model.manifest['horizon']}, asked for {horizon}; "
            "MS_SERVED_MODELS names a model per horizon",
        )
    if target not in model.manifest["symbols"]:
        universe = ", ".join(model.manifest["symbols"])
        return Why(Reason.NOT_IN_UNIVERSE, f"{named} was trained on {universe}, not {target}")
    return None


async def load_served(
    registered: RegisteredModel, cache: ServingCache, artifacts: Artifacts
) -> ServedModel | Why:
    """Parse a version after its hash was verified; kept by that hash."""
    sha256 = registered.model.artifact_sha256
    async with cache.locks[sha256]:
        known = cache.models.get(sha256)
        if known is not None and known.scoring.registered.id == registered.id:
            return known
        loaded = await asyncio.to_thread(_load, registered, artifacts)
        if isinstance(loaded, ServedModel):
            cache.models[sha256] = loaded
        return loaded


def _load(registered: RegisteredModel, artifacts: Artifacts) -> ServedModel | Why:
    from marketsentry.services.backtest_model import Refusal, load_scoring_model
    from marketsentry.services.plugins import load_feature_set

    recipe = registered.model.manifest["recipe"]
    own_model = recipe["model"]["reference"] if recipe["model"]["code_sha256"] else None
    scoring = load_scoring_model(registered, artifacts, model_file=own_model)
    if isinstance(scoring, Refusal):
        return Why(Reason(scoring.reason), scoring.detail)
    try:
        feature_set = load_feature_set(recipe["feature_set"]["reference"])
    except (InputError, NotFoundError) as error:
        return Why(Reason.MODEL_LOAD_FAILED, f"its features do not load: {error}")
    if feature_set.schema.hash != scoring.schema_hash:
        return Why(
            Reason.UNKNOWN_SCHEMA,
            f"the features here have schema {feature_set.schema.hash[:12]}, the model was trained on "
            f"{scoring.schema_hash[:12]}",
        )
    return ServedModel(scoring, feature_set, tuple(registered.model.manifest["symbols"]))


async def read_rows(
    served: ServedModel,
    targets: Sequence[str],
    *,
    as_of_ns: int,
    cache: ServingCache,
    transactions: Transactions,
) -> "Mapping[str, ServedRow | Why]":
    """Compute the features of the newest bar of each target, as the training writer would.

    Parameters
    ----------
    served
        Names features and universe.
    targets
        Some of its symbols.
    as_of_ns
        Nothing known later is read, UTC epoch ns.
    cache
        Holds the stream of the version.
    transactions
        The record.

    Returns
    -------
    mapping of str to ServedRow or Why
        By target; `no_bars` for all of them when a series of the universe is not there.
    """
    from marketsentry.core.serving.stream import FeatureStream

    def fresh() -> FeatureStream:
        span = served.scoring.scorers[-1]
        return FeatureStream(
            served.feature_set,
            served.symbols,
            served.scoring.interval,
            train_span_ns=(span.train_start_ns, span.train_stop_ns),
        )

    async with cache.locks[served.sha256]:
        kept = cache.streams.get(served.sha256)
        if kept is not None and (kept.last_ts_ns or 0) + kept.interval.ns > as_of_ns:
            kept = None  # it has seen more than may be known: the past is stepped over by a stream of its own
            stream, keeps = fresh(), False
        else:
            stream, keeps = kept or fresh(), True
        try:
            found = await _advance(stream, served, as_of_ns, transactions)
        except ConflictError:
            cache.streams.pop(served.sha256, None)
            stream = fresh()
            found = await _advance(stream, served, as_of_ns, transactions)
        if isinstance(found, Why):
            return dict.fromkeys(targets, found)
        if keeps:
            cache.streams[served.sha256] = stream
        return {target: _row_of(found, stream, served, target) for target in targets}


@dataclass(frozen=True, slots=True)
class _Advanced:
    bars: "tuple[LiveBar, ...]"
    series: "Sequence[SeriesInfo]"


async def _advance(
    stream: "FeatureStream", served: ServedModel, as_of_ns: int, transactions: Transactions
) -> _Advanced | Why:
    import numpy as np

    from marketsentry.services.market_inputs import load_context

    interval = served.scoring.interval
    start_ns = stream.checked_from_ns
    start_ns = served.scoring.first_ns if start_ns is None else start_ns
    infos, bars, no_trade = [], [], []
    async with transactions() as stores:
        known = await stores.bars.series_of(served.symbols, interval)
        for symbol in served.symbols:
            info = known.get(symbol)
            if info is None:
                return Why(Reason.NO_BARS, f"there are no {interval} bars of {symbol}; see `ms data list`")
            infos.append(info)
            bars.append(
                await stores.bars.load(symbol, interval, start_ns=start_ns, as_of_ns=as_of_ns, info=info)
            )
            closed_ns = as_of_ns - interval.ns + 1
            no_trade.append(
                await stores.bars.load_no_trade(symbol, interval, start_ns=start_ns, stop_ns=closed_ns)
                if info.n_no_trade
                else np.empty(0, dtype=np.int64)
            )
        inputs = await load_context(stores, served.symbols, as_of_ns=as_of_ns)
    return _Advanced(await asyncio.to_thread(stream.advance, bars, no_trade, inputs), infos)


def _row_of(found: _Advanced, stream: "FeatureStream", served: ServedModel, target: str) -> "ServedRow | Why":
    """Pick the newest bar of the target, and name those of its universe that lack it although they trade."""
    import numpy as np

    from marketsentry.core.serving.readiness import ServedRow

    n, interval = served.symbols.index(target), served.scoring.interval
    newest = next((bar for bar in reversed(found.bars) if not np.isnan(bar.bars[n]).any()), None)
    if newest is None:
        last = len(found.bars)
        return Why(
            Reason.STALE_INPUTS,
            f"{target} has no bar among the newest {last} {interval} bars of its universe",
        )
    late = tuple(
        symbol
        for i, symbol in enumerate(served.symbols)
        if np.isnan(newest.bars[i]).any() and _is_trading(found.series[i], newest.ts_ns, interval)
    )
    return ServedRow(
        event_time_ns=newest.ts_ns + interval.ns,
        values=newest.values[n],
        n_bars=int(newest.n_bars[n]),
        late=late,
        missing_frac=stream.missing_frac,
    )


def _is_trading(series: "SeriesInfo", ts_ns: int, interval: Interval) -> bool:
    """A symbol trades from its first bar on until it has had none for a day."""
    return series.first_ns <= ts_ns <= series.last_ns + max(DAY_NS, 2 * interval.ns)
