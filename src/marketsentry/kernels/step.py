"""The close of one bar for a caller that trades it: what the loop over bars does there, with the same functions."""

from marketsentry.kernels.compiling import kernel
from marketsentry.kernels.margin import charge_borrow
from marketsentry.kernels.records import Groups, Market, Rules, State
from marketsentry.kernels.replay import decide_bar, mark_bar


@kernel
def close_bar(market: Market, rules: Rules, groups: Groups, state: State) -> bool:
    """Charge for holding, mark and decide the only bar of `market`; True if a target quantity changed.

    On spot. The quantities and the cash in `state` are those after the fills of the bar.
    """
    n_targets = state.book.shape[0]
    if rules.has_holding_cost:
        charge_borrow(0, n_targets, market.values, rules.borrow_frac, state.book, state.account)
    mark_bar(0, n_targets, market.ts_ns, market.values, rules, state.book, state.account)
    return decide_bar(0, market, rules, groups, state)
