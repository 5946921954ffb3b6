"""The served model and what a process keeps of it: nothing that the record could not give again.

A registered version never changes, so its line is read once and its files are parsed once, by their hash. Its
features are kept as a stream (`core.serving.stream`): the first answer steps over the history, every other one over
what is new.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketsentry.core.serving.answer import Reason, Why
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.models.protocol import Explains
from marketsentry.ports import Artifacts, Transactions
from marketsentry.ports.models import RegisteredModel

if TYPE_CHECKING:  # brings the kernels, which a program that does not predict need not wait for
    from marketsentry.core.features.feature_set import FeatureSet
    from marketsentry.core.market.records import SeriesInfo
    from marketsentry.core.serving.stream import FeatureStream, LiveBar
    from marketsentry.ports.serving import LiveSeries
    from marketsentry.services.backtest_model import ScoringModel


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A parsed version with the feature set that it reads, its universe, and whether it tells contributions."""

    scoring: "ScoringModel"
    feature_set: "FeatureSet"
    symbols: tuple[str, ...]
    explains: bool

    @property
    def sha256(self) -> str:
        return self.scoring.registered.model.artifact_sha256

    @property
    def is_built_in(self) -> bool:
        """Whether the model is one of ours, whose rows cost microseconds; a user's own may take its time."""
        return self.scoring.registered.model.manifest["recipe"]["model"]["code_sha256"] is None


@dataclass(frozen=True, slots=True)
class KeptStream:
    """A stream that has started, with the manifest line of each symbol as it was when it was last advanced.

    `seen` is what it was given then and what came of it, None where that moved its state.
    """

    stream: "FeatureStream"
    lines: "Mapping[str, SeriesInfo]"
    seen: "tuple[Sequence[LiveSeries], tuple[LiveBar, ...]] | None" = None

    def is_unchanged(self, now: "LiveSeries | None") -> bool:
        """Tell whether nothing of a series that the stream has stepped over has changed since.

        A series that ended before the stream did may have got older bars without a revision: they follow its own end.
        """
        if now is None:
            return False
        line, before = now.info, self.lines[now.info.symbol]
        is_whole = (
            before.last_ns + self.stream.interval.ns >= self.stream.next_ts_ns
            or line.last_ns == before.last_ns
        )
        return is_whole and (line.revision, line.source) == (before.revision, before.source)

    def again(self, given: "Sequence[LiveSeries]") -> "tuple[LiveBar, ...] | None":
        """Give what came of the same bars and inputs when they were last given; None where they differ."""
        if self.seen is None:
            return None
        before, stepped = self.seen
        is_same = all(one.sent == other.sent for one, other in zip(before, given, strict=True))
        return stepped if is_same else None


@dataclass(slots=True)
class ServingCache:
    """What one process keeps between predictions; `registered` is by name and version."""

    registered: dict[tuple[str, str], RegisteredModel] = field(default_factory=dict)
    models: dict[str, ServedModel] = field(default_factory=dict)
    streams: dict[str, KeptStream] = field(default_factory=dict)
    locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))


async def find_model(
    name: str, version: str, cache: ServingCache, transactions: Transactions
) -> RegisteredModel | Why:
    """Find the version that is configured, or say that it is not there.

    No other version is ever taken instead: what serves is what was chosen (K-65).
    """
    known = cache.registered.get((name, version))
    if known is not None:
        return known
    try:
        async with transactions() as stores:
            found = await stores.models.get(name, version, track="liquid")
    except NotFoundError as error:
        return Why(Reason.MODEL_NOT_REGISTERED, str(error))
    return cache.registered.setdefault((name, version), found)


def refusal(registered: RegisteredModel, target: str, horizon: str) -> Why | None:
    """Say why a version cannot serve a target at a horizon; None when it can."""
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
    explains = isinstance(scoring.models[-1], Explains)
    return ServedModel(scoring, feature_set, tuple(registered.model.manifest["symbols"]), explains)
