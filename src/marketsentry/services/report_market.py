"""Read the bars that a stored run saw, to draw its trades on them: the same bytes, or none."""

from dataclasses import dataclass, replace

from marketsentry.core.backtest.stored import RunFiles
from marketsentry.core.market.bars import BarPanel, align_panel
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.timestamps import parse_time_ns
from marketsentry.exceptions import NotFoundError
from marketsentry.ports import Stores
from marketsentry.ports.runs import StoredRun
from marketsentry.services.backtest_outcome import bars_hash

BARS_GONE = "bars_gone"
BARS_CHANGED = "bars_changed"


@dataclass(frozen=True, slots=True)
class RunMarket:
    """The bars of a run with its rates of funding, or why there are none: `refusal` is a code and its detail."""

    panel: BarPanel | None
    refusal: tuple[str, str] | None = None


async def read_market(stores: Stores, stored: StoredRun, files: RunFiles) -> RunMarket:
    """Read the bars of a run from the record and compare their hash with the one stored in the run.

    Parameters
    ----------
    stores
        An open transaction.
    stored
        The row of the run.
    files
        Its arrays and its document.

    Returns
    -------
    RunMarket
        Without a panel when the record no longer holds the bars (`bars_gone`) or holds others than those that were
        replayed (`bars_changed`): trades are never drawn on prices that the run did not see.
    """
    config = stored.run.config
    interval = parse_interval(config["interval"])
    bounds = {"start_ns": parse_time_ns(config["window"]["start"]), "stop_ns": config["window"]["end_ns"]}
    series, quiet = [], []
    for symbol in files.document["symbols"]:
        try:
            bars = await stores.bars.load(symbol, interval, **bounds, as_of_ns=bounds["stop_ns"])
        except NotFoundError as error:
            return RunMarket(None, (BARS_GONE, str(error)))
        if bars.ts_ns.size == 0:
            return RunMarket(None, (BARS_GONE, f"{symbol} {interval}"))
        series.append(bars)
        quiet.append(await stores.bars.load_no_trade(symbol, interval, **bounds))
    panel = align_panel(series, no_trade_ts_ns=quiet)
    seen, found = files.document["parts"]["bars"], bars_hash(panel)
    if found != seen:
        return RunMarket(None, (BARS_CHANGED, f"{seen[:12]} → {found[:12]}"))
    return RunMarket(replace(panel, funding=files.funding))
