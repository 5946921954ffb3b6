"""What is said of the symbols that were asked for, before it is stored: by the model, by the rule, or not at all."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from marketsentry.core.market.timestamps import utc_text
from marketsentry.core.serving.answer import Answer, Reason, Source, Why
from marketsentry.core.serving.cold_start import Price, liquid_cold_start, price_outputs
from marketsentry.core.serving.explain import explain
from marketsentry.core.serving.lineage_name import infer_lineage_id
from marketsentry.ports import Stores
from marketsentry.ports.models import RegisteredModel
from marketsentry.ports.predictions import PredictionRecord, ServedSnapshot, StoredPrediction
from marketsentry.ports.quick import quick
from marketsentry.ports.serving import TargetFacts
from marketsentry.services.serving import ServedModel

if TYPE_CHECKING:
    from marketsentry.core.serving.readiness import ServedRow

ABSTAINING = frozenset(
    {
        Reason.UNKNOWN_SCHEMA,
        Reason.NO_BARS,
        Reason.INSUFFICIENT_BARS,
        Reason.STALE_INPUTS,
        Reason.UNIVERSE_LATE,
        Reason.MISSING_FEATURES,
        Reason.NOT_FINITE,
    }
)


@dataclass(frozen=True, slots=True)
class ServingRules:
    """What is configured: the version by horizon, the names stamped, and when a bar is stale."""

    models: Mapping[str, tuple[str, str]]
    feature_version: str
    data_version: str
    stale_after_bars: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A symbol and horizon with what was read for them; `chosen` is the version that is to answer, or why none can."""

    symbol: str
    horizon: str
    chosen: RegisteredModel | Why
    facts: TargetFacts
    rules: ServingRules
    now: datetime
    as_of_ns: int
    is_replay: bool

    @property
    def price(self) -> Price:
        """The newest price; nothing is asked of a symbol without one."""
        assert self.facts.price is not None
        return self.facts.price


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that is not stored yet, and what it rests on."""

    asked: Asked
    answer: Answer
    model_id: int | None = None
    snapshot: ServedSnapshot | None = None


async def tell(
    asked: Sequence[Asked],
    served: ServedModel | Why | None,
    rows: "Mapping[str, ServedRow | Why]",
) -> Sequence[Told]:
    """Answer each by the model, by the rule without one, or not at all.

    Parameters
    ----------
    asked
        What is asked, all at one moment.
    served
        The version that was chosen, or why it does not load; None where it was chosen for nobody.
    rows
        Newest features by symbol, where it was loaded.

    Returns
    -------
    sequence of Told
        In the order of `asked`.
    """
    told = {
        one.symbol: found
        for one in asked
        if (found := _without_row(one, served, rows.get(one.symbol))) is not None
    }
    if isinstance(served, ServedModel):
        left = [one for one in asked if one.symbol not in told]
        told.update(await _by_model(left, served, rows) if left else {})
    return [told[one.symbol] for one in asked]


def _without_row(
    asked: Asked, served: ServedModel | Why | None, row: "ServedRow | Why | None"
) -> Told | None:
    """Answer where no features are predicted on; None where they are."""
    chosen = asked.chosen
    if isinstance(chosen, Why):
        return _by_rule(asked, chosen)
    if isinstance(served, ServedModel):
        why = _unready(asked, served, row)
        return None if why is None else _abstained(asked, why, served.scoring.registered)
    assert served is not None
    if served.reason in ABSTAINING:
        return _abstained(asked, served, chosen)
    return _by_rule(asked, served)


def _unready(asked: Asked, served: ServedModel, row: "ServedRow | Why | None") -> Why | None:
    from marketsentry.core.serving.readiness import judge_row

    assert row is not None
    if isinstance(row, Why):
        return row
    return judge_row(
        row,
        served.feature_set.schema,
        served.scoring.interval,
        as_of_ns=asked.as_of_ns,
        stale_after_bars=asked.rules.stale_after_bars,
        accepts_missing=served.scoring.models[-1].accepts_missing,
    )


def _by_rule(asked: Asked, why: Why) -> Told:
    answer = liquid_cold_start(
        asked.facts.events,
        asked.horizon,
        as_of_ns=asked.as_of_ns,
        feature_version=asked.rules.feature_version,
        why=why,
    )
    return Told(asked, answer)


def _abstained(asked: Asked, why: Why, registered: RegisteredModel) -> Told:
    model = registered.model
    answer = Answer(
        source=Source.MODEL,
        score=None,
        confidence=None,
        outputs={"expected_return": None, "vol_forecast": None, "signal_confidence": None},
        explanation=explain(
            asked.facts.events,
            ((), None),
            as_of_ns=asked.as_of_ns,
            model_version=f"{model.name}-{model.version}",
            feature_version=asked.rules.feature_version,
        ),
        why=why,
    )
    return Told(asked, answer, registered.id)


async def _by_model(
    asked: Sequence[Asked],
    served: ServedModel,
    rows: "Mapping[str, ServedRow | Why]",
) -> Mapping[str, Told]:
    """Answer all by one call of the model."""
    from marketsentry.core.serving.readiness import ServedRow
    from marketsentry.services.serving_answer import answers_of

    ready = [row for one in asked if isinstance(row := rows[one.symbol], ServedRow)]
    run = quick if served.is_built_in else asyncio.to_thread
    found = await run(
        answers_of,
        ready,
        served,
        [one.facts.events for one in asked],
        as_of_ns=asked[0].as_of_ns,
        is_replay=asked[0].is_replay,
    )
    registered = served.scoring.registered
    return {
        one.symbol: _abstained(one, answer, registered)
        if isinstance(answer, Why)
        else Told(one, answer, registered.id, _snapshot(one, served, row))
        for one, row, answer in zip(asked, ready, found, strict=True)
    }


def _snapshot(asked: Asked, served: ServedModel, row: "ServedRow") -> ServedSnapshot:
    return ServedSnapshot(
        event_time_ns=row.event_time_ns,
        as_of_ns=asked.as_of_ns,
        feature_version=served.feature_set.schema.version,
        data_version=asked.rules.data_version,
        schema_hash=served.scoring.schema_hash,  # equal to that of the feature set, or it were not loaded
        names=served.scoring.feature_names,
        values=row.values,
    )


async def store_told(stores: Stores, told: Sequence[Told]) -> Mapping[str, StoredPrediction]:
    """Store answers together, each under a lineage of its second or of the next one that is free.

    Parameters
    ----------
    stores
        The transaction; the first try sends its only statement before it first waits.
    told
        Of distinct symbols.

    Returns
    -------
    mapping of str to StoredPrediction
        By symbol.
    """
    waiting = {one.asked.symbol: one for one in told}
    stored: dict[str, StoredPrediction] = {}
    n_tried = 0
    while waiting:
        # the second try stays in its second: what another transaction was just writing may be equal
        later = timedelta(seconds=max(0, n_tried - 1))
        records = [_record(one, second=one.asked.now + later) for one in waiting.values()]
        stored.update(await stores.serving.add(records))
        waiting = {symbol: one for symbol, one in waiting.items() if symbol not in stored}
        n_tried += 1
    return stored


def _record(told: Told, *, second: datetime) -> PredictionRecord:
    asked, answer = told.asked, told.answer
    lineage_id = infer_lineage_id(second, "liquid", asked.symbol)
    outputs: dict[str, Any] = {
        **answer.outputs,
        **price_outputs(asked.price),
        "symbol": asked.symbol,
        "horizon": asked.horizon,
        "as_of": utc_text(asked.as_of_ns),
        "lineage_id": lineage_id,
        "data_version": asked.rules.data_version,
    }
    return PredictionRecord(
        track="liquid",
        target=asked.symbol,
        horizon=asked.horizon,
        answer=answer.with_outputs(outputs),
        feature_set_id=answer.explanation.feature_version,
        lineage_id=lineage_id,
        model_id=told.model_id,
        snapshot=told.snapshot,
    )
