from datetime import UTC, datetime, timedelta, timezone

import pytest

from marketsentry.core.quality.lineage_check import Writer, writer_of
from marketsentry.core.serving.lineage_name import infer_lineage_id

AT = datetime(2026, 3, 4, 5, 6, 7, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("track", "target", "slug"),
    [
        ("liquid", "BTC", "btc"),
        ("liquid", "BTC-USD-PERP", "btc-usd-perp"),
        ("vc", "Scale AI", "scale-ai"),
        ("vc", "International Widgets", "internationa"),
        ("vc", "Quite long -- name", "quite-long-n"),
        ("vc", "深度求索", "e6e6a5b1e9a1"),
    ],
)
def test_a_lineage_of_inference_says_when_and_of_whom(track: str, target: str, slug: str) -> None:
    name = infer_lineage_id(AT, track, target)
    assert name.startswith("infer-20260304050607-")
    assert writer_of(name) is Writer.INFER
    assert len(name) <= 64
    if target.isascii():
        assert name.removeprefix("infer-20260304050607-") == slug
    else:
        assert len(name.removeprefix("infer-20260304050607-")) == 12


def test_the_second_is_that_of_utc() -> None:
    assert infer_lineage_id(AT.astimezone(timezone(timedelta(hours=8))), "liquid", "BTC") == (
        "infer-20260304050607-btc"
    )
