import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.market.candle_span import add_answer, empty_span
from marketsentry.core.market.interval import parse_interval

M5 = parse_interval("5m")
START = 1_704_067_200 * 10**9
N = 40
CELLS = START + M5.ns * np.arange(N)


def rows(ts_ns):
    """Values that tell their own bar."""
    return np.repeat(((np.asarray(ts_ns) - START) / M5.ns)[:, None], 5, axis=1)


def span():
    return empty_span(M5, START, START + N * M5.ns)


def ask_until_settled(existing, spoil):
    """Play a venue that has the bars `existing` and spoils every answer."""
    state, n_questions = span(), 0
    while not state.is_settled:
        first, stop = state.question_ns
        inside = [ts for ts in existing if first <= ts < stop]
        answer = np.array(spoil(inside, n_questions), dtype=np.int64)
        state = add_answer(state, answer, rows(answer))
        n_questions += 1
        assert n_questions <= len(existing) + 2
    return state, n_questions


def test_a_full_answer_settles_at_once():
    state, n_questions = ask_until_settled(CELLS.tolist(), lambda inside, _: inside)
    assert n_questions == 1
    np.testing.assert_array_equal(state.ts_ns, CELLS)


@given(
    existing=st.sets(st.integers(0, N - 1)),
    seed=st.integers(0, 10_000),
)
@settings(deadline=None)
def test_short_doubled_and_unordered_answers_lose_nothing_and_end(existing, seed):
    """Whatever the venue does, as long as each answer brings something new where there is something."""
    rng = np.random.default_rng(seed)
    bars = [START + M5.ns * n for n in existing]

    def spoil(inside, _):
        if not inside:
            return []
        kept = rng.choice(inside, size=rng.integers(1, len(inside) + 1), replace=False)
        return np.concatenate([kept, rng.choice(kept, size=3)])

    def brings_news(inside, n):
        return spoil(inside, n) if rng.random() < 0.7 else inside

    state, _ = ask_until_settled(bars, brings_news)
    assert set(state.ts_ns.tolist()) <= set(bars)
    assert (np.diff(state.ts_ns) > 0).all()
    np.testing.assert_array_equal(state.values, rows(state.ts_ns))
    exact, _ = ask_until_settled(bars, lambda inside, n: inside[: len(inside) // 2 + 1] if n == 0 else inside)
    assert exact.ts_ns.tolist() == sorted(bars)


def test_an_empty_answer_is_asked_once_more():
    calls = []
    state, n_questions = ask_until_settled([], lambda inside, n: calls.append(n) or inside)
    assert n_questions == 2
    assert state.missing_ns.size == N


def test_a_quiet_market_costs_one_question_more():
    quiet = CELLS[::7].tolist()
    state, n_questions = ask_until_settled(quiet, lambda inside, _: inside)
    assert n_questions == 2
    np.testing.assert_array_equal(state.missing_ns, np.setdiff1d(CELLS, CELLS[::7]))


def test_rows_outside_the_span_or_off_the_grid_are_left_out():
    ts_ns = np.array([START - M5.ns, START, START + 1, START + N * M5.ns])
    state = add_answer(span(), ts_ns, rows(ts_ns))
    assert state.ts_ns.tolist() == [START]


def test_the_later_of_two_rows_counts():
    ts_ns = np.array([START, START])
    values = np.array([[1.0] * 5, [2.0] * 5])
    assert add_answer(span(), ts_ns, values).values[0, 0] == 2.0
    again = add_answer(add_answer(span(), ts_ns[:1], values[1:]), ts_ns[:1], values[:1])
    assert again.values[0, 0] == 1.0


def test_the_question_covers_exactly_what_is_missing():
    state = add_answer(span(), CELLS[:10], rows(CELLS[:10]))
    assert state.question_ns == (CELLS[10], START + N * M5.ns)
    state = add_answer(state, CELLS[20:], rows(CELLS[20:]))
    assert state.question_ns == (CELLS[10], CELLS[20])
