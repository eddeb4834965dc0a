from __future__ import annotations

from pathlib import Path

import pytest

from cti.db.queries import load_queries, read_queries, sql_problem
from ivr.errors import QueriesRefused

SHIPPED = Path(__file__).parents[3] / "scenarios" / "queries.yaml"


def test_the_queries_that_ship_are_sound() -> None:
    queries = load_queries(SHIPPED)
    assert {"order_by_number", "orders_by_phone", "customer_by_phone"} <= set(queries)
    assert queries["order_by_number"].deadline == 2.0
    assert queries["order_by_number"].parameters["phone"].optional
    assert not queries["order_by_number"].parameters["number"].optional


def test_a_flows_parameters_are_checked_by_name() -> None:
    query = load_queries(SHIPPED)["order_by_number"]
    assert query.problems(["number"]) == []
    assert query.problems(["number", "phone"]) == []
    assert query.problems(["nummer"]) == [
        "query 'order_by_number' takes no parameter 'nummer'; did you mean 'number'?",
        "query 'order_by_number' needs the parameter 'number'",
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "with x as (select 1 as a) select a from x;",
        "SELECT replace(name, ';', 'update') FROM t -- delete; drop",
        "SELECT \"update\" FROM t WHERE note = 'insert into; it''s'",
        "VALUES (1)",
        "SELECT $$ delete ; $$",
    ],
)
def test_one_reading_statement_passes(sql: str) -> None:
    assert sql_problem(sql) == ""


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("", "one statement"),
        ("SELECT 1; SELECT 2", "here are 2"),
        ("DELETE FROM orders", "reads"),
        ("PRAGMA query_only=OFF", "reads"),
        ("WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", "DELETE"),
        ("SELECT * INTO copy FROM orders", "INTO"),
        ("SELECT * FROM orders FOR UPDATE", "UPDATE"),
        ("SELECT * FROM orders WHERE id = ?", ":name"),
        ("SELECT * FROM orders WHERE id = $1", ":name"),
    ],
)
def test_anything_else_is_refused(sql: str, why: str) -> None:
    assert why in sql_problem(sql)


BAD = """\
queries:
  a:
    sql: SELECT :x
    parameters: {x: txt}
  b:
    deadline: soon
    parameters: {number: text, unused: text}
    sql: SELECT :nummer
  c:
    deadline: 1s
    paramters: {}
    sql: DROP TABLE orders
  d:
    deadline: 1s
    parameters: {n: {type: integer, default: many}}
    sql: SELECT :n
"""


def test_every_mistake_is_told_with_its_place() -> None:
    with pytest.raises(QueriesRefused) as refused:
        read_queries(BAD, "q.yaml")
    told = str(refused.value)
    for line in (
        "q.yaml:4:18: error bad-type: 'txt' is no type",
        "q.yaml:2:3: error bad-deadline: there is no deadline",
        "q.yaml:6:5: error bad-deadline: 'soon' is no deadline",
        "q.yaml:8:5: error unknown-parameter: ':nummer' is not in the parameters; did you",
        "q.yaml:8:5: error unused-parameter: the parameter 'unused' is not used here",
        "q.yaml:11:5: error unknown-key: 'paramters' is not known here; did you mean 'parameters'?",
        "q.yaml:12:5: error bad-sql: a query reads",
        "q.yaml:15:37: error bad-default: 'many' is no integer",
    ):
        assert line in told


@pytest.mark.parametrize("text", ["", "queries: {a: 1", "queries:\n  a: {}\n  a: {}\n"])
def test_a_file_that_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(QueriesRefused):
        read_queries(text)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(QueriesRefused, match=r"none\.yaml"):
        load_queries(tmp_path / "none.yaml")
