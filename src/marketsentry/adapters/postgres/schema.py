"""The schema as data: what a database really holds, beside what the migrations of this program build.

``schema.json`` is the second; a test migrates an empty database and compares, so neither can move alone.
"""

import json
from pathlib import Path
from typing import Any

import psycopg

from marketsentry.adapters.postgres.database import translated_errors

Schema = dict[str, dict[str, Any]]  # by table or view; the values are plain JSON
EXPECTED = Path(__file__).with_name("schema.json")

_TABLES = """
SELECT c.relname,
       CASE c.relkind WHEN 'v' THEN 'view' WHEN 'p' THEN 'partitioned table' ELSE 'table' END AS kind,
       (SELECT count(*) FROM pg_inherits AS i WHERE i.inhparent = c.oid) AS n_partitions
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
  AND c.relname <> 'alembic_version'
ORDER BY c.relname
"""

_COLUMNS = """
SELECT a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                 CASE WHEN a.attnotnull THEN 'not null' END,
                 CASE WHEN a.attidentity <> '' THEN 'identity' END,
                 'default ' || pg_get_expr(d.adbin, d.adrelid)) AS definition
FROM pg_attribute AS a
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

_RULES = """
SELECT pg_get_constraintdef(c.oid)
FROM pg_constraint AS c
WHERE c.conrelid = %(table)s::regclass AND c.contype <> 'n' AND c.conparentid = 0
UNION ALL
SELECT pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
WHERE i.indrelid = %(table)s::regclass
  AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid AND c.conrelid = i.indrelid)
UNION ALL
SELECT concat_ws(' ', pg_get_triggerdef(t.oid),
                 CASE t.tgenabled WHEN 'A' THEN '(always)' WHEN 'D' THEN '(disabled)' WHEN 'R' THEN '(replica)' END)
FROM pg_trigger AS t
WHERE t.tgrelid = %(table)s::regclass AND NOT t.tgisinternal
ORDER BY 1
"""


def read_schema(database_url: str) -> Schema:
    """Describe every table and view of a database: columns, constraints, indexes, triggers, partitions.

    Parameters
    ----------
    database_url
        The database.

    Returns
    -------
    Schema
        By name of table or view.

    Raises
    ------
    DependencyError
        If the database does not answer.
    """
    with translated_errors(), psycopg.connect(database_url, connect_timeout=10) as connection:
        tables = connection.execute(_TABLES).fetchall()
        return {
            name: {
                "kind": kind,
                "n_partitions": n_partitions,
                "columns": dict(connection.execute(_COLUMNS, {"table": name}).fetchall()),
                "rules": [rule for (rule,) in connection.execute(_RULES, {"table": name}).fetchall()],
            }
            for name, kind, n_partitions in tables
        }


def expected_schema() -> Schema:
    """Return what the migrations of this program build."""
    schema: Schema = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return schema


def differences(found: Schema, expected: Schema) -> list[str]:
    """Name every table, column and rule that is missing, unexpected or different; none when they agree."""
    lines = [f"{table}: missing" for table in expected if table not in found]
    lines += [f"{table}: unexpected" for table in found if table not in expected]
    for table in (name for name in expected if name in found):
        lines += _differences_in(table, found[table], expected[table])
    return sorted(lines)


def _differences_in(table: str, found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    lines = []
    for column in expected["columns"].keys() | found["columns"].keys():
        is_, wanted = (
            found["columns"].get(column, "missing"),
            expected["columns"].get(column, "no such column"),
        )
        if is_ != wanted:
            lines.append(f"{table}.{column}: is {is_}, expected {wanted}")
    lines += [f"{table}: missing {rule}" for rule in expected["rules"] if rule not in found["rules"]]
    lines += [f"{table}: unexpected {rule}" for rule in found["rules"] if rule not in expected["rules"]]
    for key in ("kind", "n_partitions"):
        if found[key] != expected[key]:
            lines.append(f"{table}: {key} is {found[key]}, expected {expected[key]}")
    return lines
