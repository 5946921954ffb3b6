"""The gate over recorded bars: the known outages are found, and only the series with a hole of weeks is blocked."""

import pytest

from marketsentry.core.gates.data_quality import QualityLimits
from marketsentry.core.market.timestamps import parse_time_ns
from marketsentry.services.quality import AuditRequest, audit_stored


@pytest.mark.realdata
async def test_recorded_bars_are_judged_as_their_readme_says(realdata, transactions, run_import):
    await run_import(
        realdata / "bars/binance_spot_1h/BTCUSDT.parquet", realdata / "bars/binance_perp_1h/SOLUSDT.parquet"
    )
    audits = {
        audit.symbol: audit
        for audit in await audit_stored(AuditRequest(), transactions=transactions, limits=QualityLimits())
    }
    btc = audits["BTC"]
    assert btc.verdict.passed
    assert (btc.facts.total_rows, btc.facts.n_missing, len(btc.facts.gaps)) == (67_403, 129, 28)
    longest = max(btc.facts.gaps, key=lambda gap: gap.n_bars)
    assert (longest.start_ns, longest.n_bars) == (parse_time_ns("2018-02-08T01:00Z"), 33)
    sol = audits["SOL-PERP"]
    assert sol.facts.n_missing == 634
    assert sol.verdict.reasons == ("missing_rate_exceeded", "longest_gap_exceeded")
