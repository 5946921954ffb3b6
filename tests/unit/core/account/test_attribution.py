"""Parts of a profit add up to it, and each is zero where its reason is absent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.account.attribution import Interval, Parts, Trade, attribute
from marketsentry.core.orders.order import Side

AT = datetime(2026, 3, 1, tzinfo=UTC)
TARGETS = ("BTC", "ETH", "SOL")
prices = st.decimals("1", "200", places=2)
trades = st.builds(
    Trade,
    target=st.sampled_from(TARGETS),
    side=st.sampled_from(Side),
    qty=st.decimals("0.01", "9", places=2),
    price=prices,
    decided_price=st.none() | prices,
    fee_quote=st.decimals("-1", "2", places=3),
)
walks = st.lists(
    st.tuples(
        st.lists(trades, max_size=4),
        st.fixed_dictionaries(dict.fromkeys(TARGETS, prices)),
        st.dictionaries(st.sampled_from(TARGETS), st.decimals("-1", "1", places=3)),
        st.dictionaries(st.sampled_from(TARGETS), st.decimals("-0.5", "0.5", places=3)),
    ),
    min_size=1,
    max_size=8,
)
Walk = list[tuple[list[Trade], dict[str, Decimal], dict[str, Decimal], dict[str, Decimal]]]


def walked(
    walk: Walk, held: dict[str, Decimal], marks: dict[str, Decimal], cash: Decimal = Decimal(10_000)
) -> list[Interval]:
    """Keep cash and quantities through a walk, and value them at the end of each interval."""
    qty, intervals = dict(held), []
    equity = cash + sum((qty[name] * marks[name] for name in qty), Decimal(0))
    for n, (made, after, funding, limited) in enumerate(walk):
        for trade in made:
            sign = 1 if trade.side is Side.BUY else -1
            cash -= sign * trade.qty * trade.price + trade.fee_quote
            qty[trade.target] = qty.get(trade.target, Decimal(0)) + sign * trade.qty
        cash -= sum(funding.values(), Decimal(0))
        worth = cash + sum((qty[name] * after[name] for name in qty), Decimal(0))
        intervals.append(
            Interval(AT + timedelta(hours=n), after, tuple(made), funding, equity, worth - equity, limited)
        )
        equity = worth
    return intervals


@given(walks, st.fixed_dictionaries(dict.fromkeys(TARGETS, st.decimals("-5", "5", places=2))), prices)
def test_the_five_parts_add_up_to_the_change_of_equity(
    walk: Walk, held: dict[str, Decimal], price: Decimal
) -> None:
    """K-25."""
    told = attribute(held, marks := dict.fromkeys(TARGETS, price), walked(walk, held, marks))
    assert abs(told.residual_quote) < Decimal("1e-15")
    by_target = sum((part.net for part in told.by_target.values()), Decimal(0))
    assert abs(told.total.net - by_target) < Decimal("1e-15")


def naive(
    held: dict[str, Decimal], marks: dict[str, Decimal], intervals: list[Interval]
) -> dict[str, dict[str, float]]:
    """Compute each part by its definition, in floats, one target and one interval after the other."""
    parts: dict[str, dict[str, float]] = {}
    for name in TARGETS:
        qty, before = float(held.get(name, 0)), float(marks[name])
        wanted, returns, gain, limited, execution, cost = [], [], 0.0, 0.0, 0.0, 0.0
        for one in intervals:
            after, ret = float(one.marks[name]), float(one.marks[name]) / before - 1
            change = float(one.limited.get(name, 0)) * float(one.equity_before)
            wanted.append(qty * before - change)
            returns.append(ret)
            gain += qty * before * ret
            limited += change * ret
            cost -= float(one.funding_quote.get(name, 0))
            for trade in one.trades:
                if trade.target == name:
                    size = float(trade.qty) * (1 if trade.side is Side.BUY else -1)
                    decided = float(trade.price if trade.decided_price is None else trade.decided_price)
                    gain += size * (after - decided)
                    execution += size * (decided - float(trade.price))
                    cost -= float(trade.fee_quote)
                    qty += size
            before = after
        selection = sum(wanted) / len(wanted) * sum(returns)
        parts[name] = {
            "selection": selection,
            "timing": gain - limited - selection,
            "execution": execution,
            "cost": cost,
            "risk_constraint": limited,
        }
    return parts


@given(walks, st.fixed_dictionaries(dict.fromkeys(TARGETS, st.decimals("1", "5", places=2))), prices)
def test_parts_agree_with_their_definitions(walk: Walk, held: dict[str, Decimal], price: Decimal) -> None:
    marks = dict.fromkeys(TARGETS, price)
    intervals = walked(walk, held, marks)
    told, expected = attribute(held, marks, intervals), naive(held, marks, intervals)
    for name, parts in expected.items():
        for part, figure in parts.items():
            assert abs(float(getattr(told.by_target[name], part)) - figure) < 1e-6 * (1 + abs(figure))


def interval(before: str, after: dict[str, str], *made: Trade, gained: str = "0") -> Interval:
    marks = {name: Decimal(price) for name, price in after.items()}
    return Interval(AT, marks, made, {}, Decimal(before), Decimal(gained))


def test_a_constant_exposure_has_no_timing_and_the_market_no_more_than_selection() -> None:
    marks = {"BTC": Decimal(100), "ETH": Decimal(50)}
    held = {"BTC": Decimal(1), "ETH": Decimal(2)}
    told = attribute(held, marks, [interval("0", {"BTC": "110", "ETH": "60"}, gained="30")])
    assert told.total.timing == 0
    assert told.total.selection == 30
    assert told.total.market == 200 * (Decimal("0.1") + Decimal("0.2")) / 2
    assert told.total.selection - told.total.market == 0


def test_holding_the_better_target_is_selection_beyond_the_market() -> None:
    marks = {"BTC": Decimal(100), "ETH": Decimal(50)}
    told = attribute({"ETH": Decimal(4)}, marks, [interval("0", {"BTC": "110", "ETH": "60"}, gained="40")])
    assert told.total.selection - told.total.market == 40 - 30


def test_more_before_a_rise_and_less_before_a_fall_is_timing() -> None:
    sold = Trade("BTC", Side.SELL, Decimal("1.5"), Decimal(120), Decimal(120), Decimal(0))
    steps = [interval("0", {"BTC": "120"}, sold, gained="40"), interval("0", {"BTC": "90"}, gained="-15")]
    told = attribute({"BTC": Decimal(2)}, {"BTC": Decimal(100)}, steps)
    assert told.total.timing > 0
    assert told.residual_quote == 0


def test_a_fill_worse_than_decided_is_execution_and_a_fee_is_cost() -> None:
    bought = Trade("BTC", Side.BUY, Decimal(2), Decimal(101), Decimal(100), Decimal(3))
    told = attribute({}, {}, [interval("0", {"BTC": "100"}, bought, gained="-5")])
    assert told.by_target["BTC"] == Parts(execution=Decimal(-2), cost=Decimal(-3))
    assert told.signed_notional_quote == -202
    assert told.notional_quote == {"BTC": 202}


def test_what_a_limit_kept_from_a_falling_target_is_its_gain() -> None:
    one = interval("1000", {"BTC": "90"}, gained="-20")
    limited = Interval(AT, one.marks, (), {}, Decimal(1000), Decimal(-20), {"BTC": Decimal("-0.1")})
    told = attribute({"BTC": Decimal(2)}, {"BTC": Decimal(100)}, [limited])
    assert told.total.risk_constraint == 10
    assert told.total.selection == -30
    assert told.residual_quote == 0


def test_what_is_closed_within_an_interval_needs_no_price_at_its_end() -> None:
    sold = Trade("BTC", Side.SELL, Decimal(2), Decimal(95), None, Decimal(0))
    told = attribute({"BTC": Decimal(2)}, {"BTC": Decimal(100)}, [interval("0", {}, sold, gained="-10")])
    assert told.total.net == -10


def test_an_adjustment_is_the_residual_and_nothing_is_nothing() -> None:
    assert attribute({}, {}, [interval("0", {}, gained="7")]).residual_quote == 7
    nothing = attribute({}, {}, [])
    assert (nothing.total, nothing.by_target, nothing.gained_quote) == (Parts(), {}, 0)
