"""How a feature check is shown: the JSON document and the lines for people."""

from typing import Any

from marketsentry.adapters.process_memory import MIB, peak_resident_bytes
from marketsentry.cli.output import say
from marketsentry.core.features.check import FeatureCheck
from marketsentry.core.market.timestamps import ns_to_datetime


def check_document(found: FeatureCheck, *, features: str, seconds: float) -> dict[str, Any]:
    """The document of `--json`; `leaks` is empty and `max_batch_stream_diff` 0.0 for a sound set."""
    return {
        "feature_set": features,
        "passed": found.passed,
        "features": found.features,
        "symbols": found.symbols,
        "bars": found.bars,
        "rows": found.bars * found.symbols,
        "max_batch_stream_diff": found.max_batch_stream_diff,
        "mask_mismatches": found.n_mask_mismatches,
        "batch_stream_mismatches": [
            {
                "feature": one.feature,
                "symbol": one.symbol,
                "bar": ns_to_datetime(one.bar_ts_ns),
                "batch_value": one.batch_value,
                "step_value": one.step_value,
            }
            for one in found.stream_mismatches
        ],
        "leaks": [
            {
                "feature": one.feature,
                "symbol": one.symbol,
                "bar": ns_to_datetime(one.bar_ts_ns),
                "value_with_future": one.value_with_future,
                "value_without_future": one.value_without_future,
            }
            for one in found.leaks
        ],
        "warmup_violations": [
            {
                "feature": one.feature,
                "symbol": one.symbol,
                "bar": ns_to_datetime(one.bar_ts_ns),
                "value": one.value,
                "bars_since_loss": one.bars_since_loss,
                "lookback_bars": one.lookback_bars,
            }
            for one in found.warmup_violations
        ],
        "is_deterministic": found.is_deterministic,
        "is_within_bounds": found.is_within_bounds,
        "always_missing": list(found.always_missing),
        "cuts": [ns_to_datetime(ts_ns) for ts_ns in found.cut_ts_ns],
        "seconds": round(seconds, 3),
        "peak_memory_mib": round(peak_resident_bytes() / MIB, 1),
    }


def print_check(found: FeatureCheck) -> None:
    """Say what was checked and, line by line, what is wrong."""
    say(f"{found.features} features, {found.symbols} symbols, {found.bars} bars")
    difference = f"max difference {found.max_batch_stream_diff}, masks differ {found.n_mask_mismatches}"
    say(f"batch = step        {difference}")
    for miss in found.stream_mismatches:
        values = f"batch {miss.batch_value}, step {miss.step_value}"
        say(f"  DIFFERS {_cell(miss.feature, miss.symbol, miss.bar_ts_ns)}: {values}")
    say(f"no look-ahead       {len(found.leaks)} leaks, {len(found.cut_ts_ns)} cuts")
    for leak in found.leaks:
        values = f"{leak.value_with_future} with the future, {leak.value_without_future} without"
        say(f"  LEAK {_cell(leak.feature, leak.symbol, leak.bar_ts_ns)}: {values}")
    say(f"warm-up masked      {len(found.warmup_violations)} violations")
    for early in found.warmup_violations:
        values = f"{early.value} after {early.bars_since_loss} bars, needs {early.lookback_bars}"
        say(f"  EARLY {_cell(early.feature, early.symbol, early.bar_ts_ns)}: {values}")
    say(f"deterministic       {'yes' if found.is_deterministic else 'NO: two runs differ'}")
    say(f"within bounds       {'yes' if found.is_within_bounds else 'NO: the step writes beyond its arrays'}")
    if found.always_missing:
        say(f"never had a value   {', '.join(found.always_missing)}")
    say("passed" if found.passed else "FAILED")


def _cell(feature: str, symbol: str, bar_ts_ns: int) -> str:
    return f"{feature} of {symbol} at {ns_to_datetime(bar_ts_ns):%Y-%m-%d %H:%M}"
