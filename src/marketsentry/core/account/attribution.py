"""Where the profit of one strategy came from (contract 1.12), in parts that add up to the change of its equity.

Time is cut at the marks of equity. Between two marks a position earns its notional times the return of its target;
what was traded earns from the price of its decision to the next mark. All of that is the gain of exposures:

    gain = sum over intervals and targets of exposure * return

The gain that the decision's weights before risk limits would have had is split in two: what the average exposure of
each target earned (`selection`), and what leaving that average earned (`timing`, zero for a constant exposure). What
limits changed of the weights is `risk_constraint`. The way from the decided price to the fill is `execution`; fees and
funding are `cost`. `market` tells how much of `selection` an equal-weight portfolio of the same targets, at the same
average exposure, would have earned. What moved equity otherwise, such as an adjustment, is the residual.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal

from marketsentry.core.orders.order import ZERO, Side


@dataclass(frozen=True, slots=True)
class Trade:
    """An executed quantity in base units, net of a fee in kind; `decided_price` is None where there was none."""

    target: str
    side: Side
    qty: Decimal
    price: Decimal
    decided_price: Decimal | None
    fee_quote: Decimal

    @property
    def signed(self) -> Decimal:
        """Positive when bought."""
        return self.side.sign * self.qty

    @property
    def reference(self) -> Decimal:
        """The price from which exposure counts; that of the fill where no decision had one."""
        return self.price if self.decided_price is None else self.decided_price


@dataclass(frozen=True, slots=True)
class Interval:
    """What happened between two marks of equity.

    `marks` are the prices at its end. `funding_quote` was paid by target. `equity_before` is that of its begin;
    `gained_quote` is the change of equity less what was paid in. `limited` holds, by target, the weight after limits
    less the one before, of the decision in force at its begin.
    """

    ended_at: datetime
    marks: Mapping[str, Decimal]
    trades: tuple[Trade, ...]
    funding_quote: Mapping[str, Decimal]
    equity_before: Decimal
    gained_quote: Decimal
    limited: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parts:
    """Quote currency, positive is gain. `market` is a part of `selection`, not one beside it."""

    selection: Decimal = ZERO
    timing: Decimal = ZERO
    execution: Decimal = ZERO
    cost: Decimal = ZERO
    risk_constraint: Decimal = ZERO
    market: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """Sum of the five."""
        return self.selection + self.timing + self.execution + self.cost + self.risk_constraint

    def __add__(self, other: "Parts") -> "Parts":
        sums = {one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        return Parts(**sums)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Parts by target. `gained_quote` is what the ledger says; `residual_quote` what no part explains.

    `notional_quote` is what was traded by target, `signed_notional_quote` sales less purchases, both at fill prices.
    """

    by_target: Mapping[str, Parts]
    notional_quote: Mapping[str, Decimal]
    signed_notional_quote: Decimal
    gained_quote: Decimal

    @property
    def total(self) -> Parts:
        """Sum over targets."""
        return sum(self.by_target.values(), Parts())

    @property
    def residual_quote(self) -> Decimal:
        """What the ledger gained less the five parts."""
        return self.gained_quote - self.total.net


@dataclass(frozen=True, slots=True)
class _Exposures:
    """Of one target, one each per interval: what was held and what limits changed of it, and their returns' gain.

    `level` is the exposure at the begin, `gain` what it and the trades earned, `limited` what limits changed of the
    exposure, `ret` the return of the target, None where it has no price at an end.
    """

    level: list[Decimal]
    gain: list[Decimal]
    limited: list[Decimal]
    ret: list[Decimal | None]


def attribute(
    held: Mapping[str, Decimal], marks: Mapping[str, Decimal], intervals: Sequence[Interval]
) -> Attribution:
    """Attribute what one strategy gained.

    Parameters
    ----------
    held
        Signed base units by target at the begin of the first interval.
    marks
        Prices then, quote currency.
    intervals
        Oldest first, without gaps.

    Returns
    -------
    Attribution
        Empty where nothing was held or traded.
    """
    targets = sorted(
        {
            *(name for name, qty in held.items() if qty),
            *(trade.target for one in intervals for trade in one.trades),
        }
        | {name for one in intervals for name in one.funding_quote}
    )
    exposures = {name: _exposures(name, held.get(name, ZERO), marks, intervals) for name in targets}
    market = _market_returns(marks, intervals)
    trades = [trade for one in intervals for trade in one.trades]
    notional = {
        name: sum((one.qty * one.price for one in trades if one.target == name), ZERO) for name in targets
    }
    return Attribution(
        by_target={
            name: replace(
                _parts(exposures[name], market),
                execution=sum(
                    (one.signed * (one.reference - one.price) for one in trades if one.target == name), ZERO
                ),
                cost=-sum((one.fee_quote for one in trades if one.target == name), ZERO)
                - sum((one.funding_quote.get(name, ZERO) for one in intervals), ZERO),
            )
            for name in targets
        },
        notional_quote=notional,
        signed_notional_quote=-sum((one.signed * one.price for one in trades), ZERO),
        gained_quote=sum((one.gained_quote for one in intervals), ZERO),
    )


def _exposures(
    target: str, qty: Decimal, marks: Mapping[str, Decimal], intervals: Sequence[Interval]
) -> _Exposures:
    walked = _Exposures([], [], [], [])
    before = marks.get(target)
    for one in intervals:
        trades = [trade for trade in one.trades if trade.target == target]
        after = one.marks.get(target)
        if after is None:  # nothing is left of it, so the price at the end does not matter
            after = trades[-1].price if trades else before
        level = qty * before if before is not None else ZERO
        gain = qty * (after - before) if after is not None and before is not None else ZERO
        gain += sum((trade.signed * ((after or ZERO) - trade.reference) for trade in trades), ZERO)
        ret = after / before - 1 if after is not None and before else None
        walked.level.append(level)
        walked.gain.append(gain)
        walked.limited.append(one.limited.get(target, ZERO) * one.equity_before)
        walked.ret.append(ret)
        qty += sum((trade.signed for trade in trades), ZERO)
        before = after
    return walked


def _market_returns(marks: Mapping[str, Decimal], intervals: Sequence[Interval]) -> list[Decimal]:
    """Mean return of all targets that have a price at both ends of an interval; zero where none has."""
    means, before = [], marks
    for one in intervals:
        returns = [one.marks[name] / before[name] - 1 for name in sorted(one.marks) if before.get(name)]
        means.append(sum(returns, ZERO) / len(returns) if returns else ZERO)
        before = one.marks
    return means


def _parts(walked: _Exposures, market: Sequence[Decimal]) -> Parts:
    n = len(walked.level)
    if not n:
        return Parts()
    limited = sum(
        (change * ret for change, ret in zip(walked.limited, walked.ret, strict=True) if ret is not None),
        ZERO,
    )
    wanted = [level - change for level, change in zip(walked.level, walked.limited, strict=True)]
    average = sum(wanted, ZERO) / n
    selection = average * sum((ret for ret in walked.ret if ret is not None), ZERO)
    return Parts(
        selection=selection,
        timing=sum(walked.gain, ZERO) - limited - selection,
        risk_constraint=limited,
        market=average * sum(market, ZERO),
    )
