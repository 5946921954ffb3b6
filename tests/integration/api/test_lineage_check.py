"""Contract section 1.9 over HTTP: training against serving snapshots."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from psycopg.types.json import Jsonb

from marketsentry.bootstrap import System
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.ports.datasets import SnapshotStamp

CHECK = "/api/v2/data-quality/lineage/check"
KEYS = {
    *("passed", "track", "target", "lineage_id", "data_version", "compared_snapshots", "max_abs_diff"),
    *("mean_abs_diff", "mismatch_keys", "reason"),
}
TRAIN, INFER = "train-20240301000000-BTC", "infer-20240301120000-btc"
START = datetime(2024, 3, 1, tzinfo=UTC)
INSERT = """
INSERT INTO feature_snapshots (target, track, as_of, as_of_ts, event_time, feature_version, data_version, lineage_id,
                               schema_hash, feature_payload)
VALUES (%(target)s, %(track)s, %(at)s, %(at)s, %(at)s, %(feature_version)s, %(data_version)s, %(lineage_id)s, 'x',
        %(payload)s)
"""


async def write(system: System, lineage_id: str, hour: int, payload: dict[str, Any], **changes: str) -> None:
    row = {"target": "BTC", "track": "liquid", "feature_version": "f1", "data_version": "v1", **changes}
    given = {**row, "lineage_id": lineage_id, "at": START + timedelta(hours=hour), "payload": Jsonb(payload)}
    async with system.database.connection() as connection:
        await connection.execute(INSERT, given)


async def check(api: httpx.AsyncClient, lineage_id: str = TRAIN, **asked: Any) -> dict[str, Any]:
    answer = await api.post(CHECK, json={"track": "liquid", "lineage_id": lineage_id, **asked})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    assert document.keys() == KEYS
    return document


@pytest.mark.parametrize("asked", [{}, {"target": "btc"}, {"data_version": "v1"}])
@pytest.mark.parametrize("lineage_id", [TRAIN, INFER])
async def test_equal_bars_of_both_writers_pass(
    api: httpx.AsyncClient, system: System, lineage_id: str, asked: dict[str, str]
) -> None:
    for hour in range(3):
        await write(system, TRAIN, hour, {"x": hour + 0.1, "gone": None})
    await write(system, INFER, 1, {"x": 1.1, "gone": None})
    found = await check(api, lineage_id, **asked)
    assert found == {
        "passed": True,
        "track": "liquid",
        "target": "BTC" if "target" in asked else None,
        "lineage_id": lineage_id,
        "data_version": asked.get("data_version"),
        "compared_snapshots": 2,
        "max_abs_diff": 0,
        "mean_abs_diff": 0,
        "mismatch_keys": [],
        "reason": "ok",
    }


@pytest.mark.parametrize("lineage_id", [TRAIN, INFER])
async def test_the_vector_of_the_contract_between_writers(
    api: httpx.AsyncClient, system: System, lineage_id: str
) -> None:
    await write(system, TRAIN, 0, {"x": 1.0})
    await write(system, INFER, 0, {"x": 1.02})
    await write(system, lineage_id, 0, {"x": 5.0}, target="ETH")
    found = await check(api, lineage_id, tolerance=0.001)
    assert (found["passed"], found["reason"], found["compared_snapshots"]) == (False, "payload_mismatch", 2)
    assert (found["max_abs_diff"], found["mismatch_keys"]) == (0.02, ["x"])


async def test_the_vector_of_the_contract_within_a_lineage_of_no_writer(
    api: httpx.AsyncClient, system: System
) -> None:
    await write(system, "lineage-1", 0, {"x": 7.0})
    await write(system, "lineage-1", 1, {"x": 1.0})
    await write(system, "lineage-1", 2, {"x": 1.02})
    await write(system, "lineage-1", 2, {"x": 5.0}, target="ETH")
    for asked in ({}, {"target": "BTC"}):
        found = await check(api, "lineage-1", tolerance=0.001, **asked)
        assert (found["passed"], found["reason"], found["compared_snapshots"]) == (
            False,
            "payload_mismatch",
            2,
        )
        assert (found["max_abs_diff"], found["mismatch_keys"]) == (0.02, ["x"])
    assert (await check(api, "lineage-1", target="ETH"))["reason"] == "insufficient_snapshots"


async def test_a_tag_that_differs_counts_one(api: httpx.AsyncClient, system: System) -> None:
    await write(system, TRAIN, 0, {"n": 2, "tag": "a"})
    await write(system, INFER, 0, {"n": 2.0, "tag": "b"})
    found = await check(api, TRAIN)
    assert (found["max_abs_diff"], found["mean_abs_diff"], found["mismatch_keys"]) == (1.0, 0.5, ["tag"])


async def test_targets_are_compared_apart_and_together(api: httpx.AsyncClient, system: System) -> None:
    for target, served in (("BTC", 1.0), ("ETH", 1.5)):
        await write(system, "train-all", 0, {"x": 1.0}, target=target)
        await write(system, INFER, 0, {"x": served}, target=target)
    both = await check(api, "train-all")
    assert (both["passed"], both["compared_snapshots"], both["mean_abs_diff"]) == (False, 4, 0.25)
    assert (await check(api, "train-all", target="BTC"))["passed"]
    assert not (await check(api, "train-all", target="ETH"))["passed"]


async def test_only_the_same_bar_version_and_track_are_compared(
    api: httpx.AsyncClient, system: System
) -> None:
    await write(system, TRAIN, 0, {"x": 1.0})
    await write(system, "infer-1", 1, {"x": 1.0})
    await write(system, "infer-2", 0, {"x": 1.0}, target="ETH")
    await write(system, "infer-3", 0, {"x": 1.0}, feature_version="f2")
    await write(system, "infer-4", 0, {"x": 1.0}, data_version="v2")
    await write(system, "infer-5", 0, {"x": 1.0}, track="vc")
    await write(system, "train-20240302000000-BTC", 0, {"x": 1.0})
    for lineage_id in (TRAIN, *(f"infer-{n}" for n in range(1, 6))):
        found = await check(api, lineage_id)
        assert (found["passed"], found["reason"]) == (False, "insufficient_snapshots")
        assert (found["compared_snapshots"], found["max_abs_diff"], found["mean_abs_diff"]) == (0, None, None)


async def test_the_newest_snapshot_of_the_other_writer_counts(api: httpx.AsyncClient, system: System) -> None:
    await write(system, TRAIN, 0, {"x": 1.0})
    await write(system, "infer-1", 0, {"x": 9.0})
    await write(system, "infer-2", 0, {"x": 1.0})
    assert (await check(api))["passed"]
    await write(system, "train-20240302000000-BTC", 0, {"x": 2.0})
    assert (await check(api, "infer-2"))["max_abs_diff"] == 1.0


async def test_the_mean_decides_when_not_strict(api: httpx.AsyncClient, system: System) -> None:
    await write(system, TRAIN, 0, {"a": 0.0, "b": 1.0})
    await write(system, INFER, 0, {"a": 0.0, "b": 1.1})
    assert not (await check(api, tolerance=0.06))["passed"]
    grouped = await check(api, tolerance=0.06, strict=False)
    assert (grouped["passed"], grouped["reason"], grouped["mismatch_keys"]) == (True, "ok", ["b"])
    alone = await check(api, tolerance=0.06, strict=False, target="BTC")
    assert (alone["passed"], alone["mismatch_keys"]) == (True, [])


async def test_keys_are_sorted_and_capped_and_differences_rounded(
    api: httpx.AsyncClient, system: System
) -> None:
    await write(system, TRAIN, 0, {f"k{n:03d}": 1 / 3 for n in range(250)})
    await write(system, INFER, 0, {f"k{n:03d}": 0.0 for n in range(250)})
    found = await check(api)
    assert found["mismatch_keys"] == [f"k{n:03d}" for n in range(20)]
    assert found["max_abs_diff"] == 0.3333333333
    assert len((await check(api, max_mismatch_keys=200))["mismatch_keys"]) == 200


async def test_snapshots_of_the_store_agree_bit_for_bit(api: httpx.AsyncClient, system: System) -> None:
    names = ("a", "b", "c")
    times = datetime_to_ns(START) + np.arange(5) * 3_600 * 10**9
    values = np.array([[np.nan, 0.1 * n, 1e300 / 3**n] for n in range(5)])
    async with system.transactions() as stores:
        for lineage_id in (TRAIN, INFER):
            stamp = SnapshotStamp("BTC", "liquid", "f1", "v1", "h", lineage_id, None)
            await stores.datasets.write_snapshots(stamp, names, times, values, np.arange(5))
    found = await check(api, tolerance=0)
    assert (found["passed"], found["compared_snapshots"], found["max_abs_diff"]) == (True, 10, 0)


async def test_two_lineages_of_one_writer_can_be_compared(api: httpx.AsyncClient, system: System) -> None:
    """Two builds of a dataset: without naming the other there is nothing to compare with."""
    other = "train-20240302000000-BTC"
    for hour in range(3):
        await write(system, TRAIN, hour, {"x": 1.0})
        await write(system, other, hour + 1, {"x": 1.0 if hour else 1.5})
    assert (await check(api))["reason"] == "insufficient_snapshots"
    found = await check(api, other_lineage_id=other)
    assert (found["passed"], found["reason"], found["compared_snapshots"]) == (False, "payload_mismatch", 4)
    assert found["max_abs_diff"] == 0.5
    assert (await check(api, other, other_lineage_id=TRAIN))["max_abs_diff"] == 0.5
    assert (await check(api, other_lineage_id=TRAIN))["max_abs_diff"] == 0
    assert (await check(api, other_lineage_id=other, target="ETH"))["reason"] == "insufficient_snapshots"
    assert (await check(api, other_lineage_id=other, data_version="v2"))["compared_snapshots"] == 0
    assert (await check(api, other_lineage_id="train-unknown"))["reason"] == "insufficient_snapshots"


async def test_an_unknown_lineage_is_insufficient(api: httpx.AsyncClient) -> None:
    for lineage_id in ("train-unknown", "infer-unknown", "unknown", "x" * 64):
        assert (await check(api, lineage_id))["reason"] == "insufficient_snapshots"


async def test_targets_of_vc_keep_their_case(api: httpx.AsyncClient, system: System) -> None:
    await write(system, TRAIN, 0, {"x": 1.0}, target="Acme", track="vc")
    await write(system, INFER, 0, {"x": 1.0}, target="Acme", track="vc")
    answer = await api.post(CHECK, json={"track": "vc", "lineage_id": TRAIN, "target": "Acme"})
    assert (answer.json()["passed"], answer.json()["target"]) == (True, "Acme")


@pytest.mark.parametrize(
    "bad",
    [
        *({"track": bad} for bad in (None, "spot")),
        *({"lineage_id": bad} for bad in (None, "", "short", "x" * 65)),
        *({"other_lineage_id": bad} for bad in ("", "short", "x" * 65)),
        *({"data_version": bad} for bad in ("", "x" * 65)),
        *({"max_mismatch_keys": bad} for bad in (0, 201)),
        *({"tolerance": bad} for bad in (-1e-9, 1.1, None, "x")),
        {"strict": "perhaps"},
        {"target": "x" * 65},
    ],
    ids=repr,
)
async def test_a_check_out_of_range_is_refused(api: httpx.AsyncClient, bad: dict[str, Any]) -> None:
    body = {"track": "liquid", "lineage_id": TRAIN, **bad}
    assert (await api.post(CHECK, json=body)).status_code == 422
