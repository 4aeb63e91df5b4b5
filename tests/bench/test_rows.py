from __future__ import annotations

import importlib
import json

import pytest

from bench.__main__ import chosen
from bench.contestants.contestant import Receipts
from bench.lab import CONTESTANTS
from bench.lab import parser as lab_parser
from bench.outcome import Outcome
from bench.report import Result, goal, lines_of, parse
from bench.rows import ROWS, Figure, Row, at, of, over

MIB = 1 << 20
TABLE_S = 20 * 60
MARGIN = 0.85
"""Other machines are slower than the one on which the rows' seconds were taken."""


def test_each_name_is_there_once() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_the_table_takes_less_than_twenty_minutes() -> None:
    assert sum(row.seconds for row in ROWS if row.is_in_table) < MARGIN * TABLE_S


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_has_a_command_that_takes_its_options(row: Row) -> None:
    module, *words = row.command(2)
    assert callable(importlib.import_module(module).main)
    if module == "bench.lab":
        assert lab_parser().parse_args([*words, "--json"]).runs == 2


@pytest.mark.parametrize("row", [row for row in ROWS if row.module == "bench.lab"], ids=lambda row: row.name)
def test_the_lab_tells_what_a_row_shows(row: Row) -> None:
    options = lab_parser().parse_args(row.command(1)[1:])
    names = [*(options.only or CONTESTANTS), *(f"swarm {size}" for size in options.block_size)]
    facts = {"outcomes": [outcome(name).as_json() for name in names]}
    assert all(figure.value(facts) is not None for figure in row.figures)


def outcome(contestant: str) -> Outcome:
    return Outcome(
        contestant=contestant,
        size=MIB,
        limit_s=2.0,
        ready_s=(1.0,),
        finished_s=(3.0,),
        origin_link_bytes=MIB,
        receipts=Receipts(MIB, 0),
        cpu_s=0.5,
        origin_cpu_s=0.25,
        rss_bytes_max=MIB,
        progress=(),
        load=0.0,
        into_sites_bytes=(MIB,),
        killed=1,
        arrived=((2.0, 5.0),),
    )


def test_an_outcome_tells_times_over_the_limit_and_bytes_over_the_data() -> None:
    one = outcome("swarm")
    assert (one.from_start, one.from_ready, one.last_arrived) == (1.5, 1.0, 1.5)
    assert (one.origin_link, one.origin_receipts, one.crossings, one.wasted) == (1, 1, 1, 0)
    assert (one.mib_per_s, one.cpu_s_per_gib, one.origin_cpu_s_per_gib) == (0.5, 256, 256)


def test_without_root_what_needs_namespaces_is_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    rows = chosen(["churn", "memory"], is_root=False)
    assert [row.name for row in rows] == ["memory"]
    assert "churn" in capsys.readouterr().out


def test_what_is_not_in_the_table_runs_where_it_is_asked_for() -> None:
    assert not any(row.name == "unshaped-4gib" for row in chosen(None, is_root=True))
    assert [row.name for row in chosen(["unshaped-4gib"], is_root=True)] == ["unshaped-4gib"]


def test_a_value_is_the_median_of_its_contestants_runs() -> None:
    runs = [{"contestant": "swarm", "mib_per_s": rate} for rate in (1.0, 8.0, 4.0)]
    facts = {"outcomes": [*runs, {"contestant": "http", "mib_per_s": 2.0}]}
    assert over(of("swarm", "mib_per_s"), of("http", "mib_per_s"))(facts) == 2.0
    assert of("aria2", "mib_per_s")(facts) is None
    assert at("a", "b")({"a": {"b": [1.0, 9.0, 2.0]}}) == 2.0


def test_a_goal_is_held_against_what_is_shown() -> None:
    assert goal(Figure("x", at("x"), most=1.1), 1.104) == "≤ 1.1"
    assert goal(Figure("x", at("x"), most=1.1), 1.106) == "≤ 1.1, not reached"
    assert goal(Figure("x", at("x"), least=300, digits=0), 299.4) == "≥ 300, not reached"
    assert goal(Figure("x", at("x")), 7.0) == ""


def test_the_table_names_a_row_once_and_leaves_out_what_is_not_known() -> None:
    figures = (Figure("a", at("a"), most=2), Figure("b", at("b")), Figure("c", at("c"), digits=0))
    row = Row("name", "what", "bench.lab", (), 1, figures)
    facts = parse("some words\n" + json.dumps({"a": 1.0, "b": None, "c": 3.0}) + "\n")
    assert list(lines_of(Result(row, facts, 0.5, 1.0))) == [
        "| **name**: what | a | 1.00 | ≤ 2 | 0.5 |",
        "|  | c | 3 |  |  |",
    ]
    assert list(lines_of(Result(row, None, 0.5, 1.0))) == ["| **name**: what | failed | - | - | 0.5 |"]
