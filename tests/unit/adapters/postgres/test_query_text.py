"""What the text of a statement tells."""

import pytest

from marketsentry.adapters.postgres.query_text import numbered, only_reads


@pytest.mark.parametrize(
    ("query", "text", "names"),
    [
        ("SELECT 1", b"SELECT 1", ()),
        ("SELECT %(a)s, %(b)s", b"SELECT $1, $2", ("a", "b")),
        ("SELECT %(b)s, %(a)s, %(b)s::text", b"SELECT $1, $2, $1::text", ("b", "a")),
        ("SELECT '100%%', 5 %% %(n)s", b"SELECT '100%', 5 % $1", ("n",)),
        ("SELECT '%%(a)s'", b"SELECT '%(a)s'", ()),
    ],
)
def test_a_name_has_one_number(query: str, text: bytes, names: tuple[str, ...]) -> None:
    assert numbered(query) == (text, names)


@pytest.mark.parametrize("query", ["SELECT 5 % 2", "SELECT %s", "SELECT 5 %", "SELECT %(a)b", "LIKE 'a%\n'"])
def test_a_percent_sign_stands_for_itself_only_when_it_is_doubled(query: str) -> None:
    with pytest.raises(ValueError, match="a percent sign must be doubled"):
        numbered(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "\nWITH a AS (SELECT 1) SELECT * FROM a",
        "SELECT updated_at, share_frac FROM t",
        "VALUES (1)",
    ],
)
def test_what_reads_needs_no_transaction(query: str) -> None:
    assert only_reads(query)


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO t VALUES (1)",
        "WITH a AS (UPDATE t SET n = 1 RETURNING n) SELECT * FROM a",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t FOR NO KEY UPDATE",
        "SELECT * FROM t FOR KEY SHARE",
        "SELECT pg_advisory_xact_lock(1)",
        "select pg_try_advisory_xact_lock_shared(1)",
        "SELECT set_config('a', 'b', true)",
        "SELECT nextval('s')",
        "CREATE TABLE t (n int)",
        "LOCK TABLE t",
        "DELETE FROM t",
    ],
)
def test_what_leaves_something_behind_begins_one(query: str) -> None:
    assert not only_reads(query)
