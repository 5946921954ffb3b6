"""The sanity review: may this result count as evidence at all?

A backtest that is too good, rests on one trade, trades prices nobody could have had or costs nothing is a broken
backtest more often than a good strategy. Each rule holds one figure against a limit with a reason:

| check | severity | why |
|---|---|---|
| sharpe_plausible | blocks | less three standard errors, beyond every documented fund that takes prices |
| annual_return_plausible | blocks | the best known fund earned 66 % a year before fees for 31 years (Cornell 2020) |
| bar_return_plausible | blocks | an account without leverage gains this in one bar only through a bad price |
| ic_plausible | blocks | less three standard errors, beyond what liquid markets allow |
| costs_charged | blocks | no taker trades for less than this |
| stale_notional_frac | blocks | a price that stood still, or a bar without a trade, is no price one could have had |
| leaks, canary_caught, ... | blocks | the leak test, where one was made (`core.gates.leak`) |
| n_trades | too few | ratios of a handful of trades are anecdotes |
| best_trade_share, best_day_share | too few | without that one trade or day more than half of the gain is gone |
| plateau_share | blocks | neighbouring parameters keep less than half of the result: found by luck |
| pnl_without_best_days_frac | warns | all of the gain came on the best days of a hundred |
| best_symbol_share | warns | one symbol earned nearly all of the gain |
| gap_pnl_share | warns | gained in bars after lost ones, whose prices moved unseen |
| wick_notional_frac | warns | traded in extreme bars, whose opens rarely can be had |
| delisted_frac | warns | every symbol is alive today: the universe may have been chosen with hindsight |

What blocks makes a result fail, however little was observed; `too few` makes it insufficient. A figure without meaning,
such as a share of a gain that is none, is told as not measured and decides nothing.

References
----------
Cornell (2020), "Medallion Fund: the ultimate counterexample?", Journal of Portfolio Management 46(4), 156-159.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from marketsentry.core.backtest.plateau import ALONE_SHARE
from marketsentry.core.evidence.sanity import SanityFacts
from marketsentry.core.gates.leak import LEAK_PROOFS, ic_check, leak_test_checks
from marketsentry.core.gates.verdict import (
    GateCheck,
    GateVerdict,
    at_least,
    at_most,
    decide,
    more_than,
)

GATE = "sanity"
FLOORS = frozenset({"n_trades", "best_trade_share", "best_day_share"})
PROOFS = LEAK_PROOFS | {
    "sharpe_plausible",
    "annual_return_plausible",
    "bar_return_plausible",
    "costs_charged",
    "stale_notional_frac",
}
MIN_SYMBOLS = 3


class Severity(StrEnum):
    """What a finding does to a result."""

    BLOCKS = "blocks"
    TOO_FEW = "too_few"
    WARNS = "warns"


@dataclass(frozen=True, slots=True)
class SanityLimits:
    """Beyond what a result is not believed; the reasons stand in the module."""

    max_plausible_sharpe: float = 10.0
    max_plausible_annual_return_frac: float = 10.0
    max_plausible_bar_return_frac: float = 0.25
    max_plausible_ic: float = 0.3
    min_cost_bps: float = 1.0
    max_stale_notional_frac: float = 0.05
    min_trades: int = 30
    max_best_share: float = 0.5
    max_symbol_share: float = 0.8
    max_gap_pnl_share: float = 0.2
    max_wick_notional_frac: float = 0.05
    min_plateau_share: float = ALONE_SHARE


def judge_sanity(facts: SanityFacts, limits: SanityLimits) -> GateVerdict:
    """Review a result.

    Parameters
    ----------
    facts
        What was measured.
    limits
        What is believed.

    Returns
    -------
    GateVerdict
        Checks that did not pass are the findings; `severity_of` says what each does.
    """
    checks = (
        *_impossible(facts, limits),
        *_data(facts, limits),
        *_few(facts, limits),
        *_concentration(facts, limits),
        *(leak_test_checks(facts.leak) if facts.leak is not None else ()),
    )
    return decide(GATE, checks, floors=FLOORS, proofs=PROOFS)


def severity_of(check: GateCheck) -> Severity:
    """Tell what a check does to a result when it does not pass."""
    if check.is_informative:
        return Severity.WARNS
    return Severity.TOO_FEW if check.name in FLOORS else Severity.BLOCKS


def _impossible(facts: SanityFacts, limits: SanityLimits) -> tuple[GateCheck, ...]:
    sure = "less three standard errors, beyond what markets allow"
    return (
        _known(
            at_most("sharpe_plausible", facts.sure_sharpe, limits.max_plausible_sharpe, sure),
            "the returns do not vary",
        ),
        _known(
            at_most(
                "annual_return_plausible",
                facts.sure_annual_return_frac,
                limits.max_plausible_annual_return_frac,
                sure,
            ),
            "the returns do not vary",
        ),
        _known(
            at_most(
                "bar_return_plausible",
                facts.best_bar_return_frac,
                limits.max_plausible_bar_return_frac,
                "gained within one bar",
            ),
            "the account has lost everything",
        ),
        *ic_check(facts.ics, max_plausible_ic=limits.max_plausible_ic),
        _known(
            at_least("costs_charged", facts.cost_bps, limits.min_cost_bps, "in bps of what was traded"),
            "nothing was traded",
        ),
    )


def _data(facts: SanityFacts, limits: SanityLimits) -> tuple[GateCheck, ...]:
    gone = facts.n_symbols - facts.n_listed_last
    listed = (
        f"of {facts.n_symbols} symbols {facts.n_listed_first} were listed on the first day and "
        f"{facts.n_listed_last} on the last"
    )
    return (
        _known(
            at_most("stale_notional_frac", facts.stale_notional_frac, limits.max_stale_notional_frac,
                    "traded at prices that stood still"),
            "nothing was traded",
        ),
        _warning(
            at_most("wick_notional_frac", facts.wick_notional_frac, limits.max_wick_notional_frac,
                    "traded in bars of extreme range"),
            "nothing was traded",
        ),
        _warning(
            at_most("gap_pnl_share", facts.gap_pnl_share, limits.max_gap_pnl_share,
                    "of the gain came in bars after lost ones"),
            "nothing was gained",
        ),
        _warning(more_than("delisted_frac", gone / facts.n_symbols, 0.0, listed), ""),
    )  # fmt: skip


def _few(facts: SanityFacts, limits: SanityLimits) -> tuple[GateCheck, ...]:
    return (
        at_least("n_trades", facts.n_trades, limits.min_trades, "round trips that were closed"),
        _known(
            at_most("best_trade_share", facts.best_trade_share, limits.max_best_share,
                    "of the net gain came from one trade"),
            "nothing was gained",
        ),
        _known(
            at_most("best_day_share", facts.best_day_share, limits.max_best_share,
                    f"of the net gain came on one day of {facts.n_days}"),
            "nothing was gained",
        ),
    )  # fmt: skip


def _concentration(facts: SanityFacts, limits: SanityLimits) -> tuple[GateCheck, ...]:
    share = facts.best_symbol_share if facts.n_symbols >= MIN_SYMBOLS else None
    plateau = facts.plateau
    alone = "" if plateau is None else f"the median of {plateau.n_neighbours} neighbours over the setting"
    return (
        _known(
            at_least(
                "plateau_share",
                None if plateau is None else plateau.neighbour_share,
                limits.min_plateau_share,
                alone,
            ),
            "no sweep around the setting was made" if plateau is None else "the setting has no hill",
        ),
        _warning(
            more_than("pnl_without_best_days_frac", facts.pnl_without_best_days_frac, 0.0,
                      "without the best day of every hundred"),
            "fewer than two days",
        ),
        _warning(
            at_most("best_symbol_share", share, limits.max_symbol_share,
                    "of the net gain came from one symbol"),
            f"nothing was gained, or fewer than {MIN_SYMBOLS} symbols",
        ),
    )  # fmt: skip


def _known(check: GateCheck, why_not: str) -> GateCheck:
    """A figure that has no meaning is told and decides nothing."""
    if check.value is None:
        return replace(check, is_informative=True, detail=f"not measured: {why_not}")
    return check


def _warning(check: GateCheck, why_not: str) -> GateCheck:
    return replace(_known(check, why_not), is_informative=True)
