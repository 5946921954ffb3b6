"""Equity over time against a walk through all of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.account.equity import Equity, next_equity

START = datetime(2026, 3, 1, 22, tzinfo=UTC)
steps = st.lists(
    st.tuples(
        st.integers(1, 40 * 3600),
        st.decimals("1", "100000", places=2),
        st.one_of(st.just(Decimal(0)), st.decimals("-500", "500", places=2)),
    ),
    min_size=1,
    max_size=30,
)


@given(steps)
def test_peak_and_day_start_are_those_of_a_walk_through_the_marks(
    walked: list[tuple[int, Decimal, Decimal]],
) -> None:
    equity, at, seen = None, START, []
    for seconds, amount, flow in walked:
        at += timedelta(seconds=seconds)
        equity = next_equity(equity, amount, at, flow_quote=flow if seen else Decimal(0))
        seen.append((at, amount, flow if seen else Decimal(0)))
    assert equity is not None
    later_flows = [sum((flow for _, _, flow in seen[n + 1 :]), Decimal(0)) for n in range(len(seen))]
    moved = [amount + later for (_, amount, _), later in zip(seen, later_flows, strict=True)]
    assert equity.peak_quote == max(moved)
    earlier = [n for n, (when, _, _) in enumerate(seen) if when.date() < at.date()]
    assert equity.day_start_quote == moved[earlier[-1] if earlier else 0]
    assert equity.drawdown_frac >= 0 or equity.peak_quote <= 0


def test_a_payment_is_neither_gain_nor_loss() -> None:
    before = Equity(START, Decimal(90), Decimal(100), Decimal(95))
    after = next_equity(before, Decimal(190), START + timedelta(hours=1), flow_quote=Decimal(100))
    assert (after.peak_quote, after.day_start_quote) == (Decimal(200), Decimal(195))


def test_a_day_starts_at_the_last_mark_before_it() -> None:
    before = Equity(START, Decimal(90), Decimal(100), Decimal(95))
    after = next_equity(before, Decimal(81), START + timedelta(hours=3))
    assert after.day_start_quote == 90
    assert after.daily_loss_frac == Decimal("0.1")
    assert after.drawdown_frac == Decimal("0.19")


def test_the_loss_of_nothing_is_all() -> None:
    nothing = Equity(START, Decimal(0), Decimal(0), Decimal(0))
    assert nothing.drawdown_frac == nothing.daily_loss_frac == 1
