"""`swarm stats` on a real directory store, and its report as a page."""

from __future__ import annotations

import os
import random
import re
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import trio

from cli.ui import charts
from cli.ui.report import html_report
from cli.ui.statistics import busy_besides, statistics_lines
from cli.ui.tables import SPARKS_MAX, sparkline, table
from swarm.analysis.cost import Ledger
from swarm.protocol.keys import SigningKey
from swarm.protocol.names import parse_reference
from swarm.seeder.publication import PublishOptions
from swarm.seeder.publish import publish
from swarm.store import open_store
from swarm.tracker.agents.uses import VersionUse
from tests.cli.conftest import Run

KEY = SigningKey.from_seed(bytes(range(32)))
HOSTILE = "<script>alert(1)</script> & $x^{$ 日本 \x1b[31m.bin"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`places` in three versions: one file grows, one with a hostile name is rewritten."""
    place = tmp_path_factory.mktemp("stats")
    url, data = str(place / "store"), place / "data"
    (data / "d").mkdir(parents=True)

    async def fill() -> None:
        async with open_store(url) as opened:
            for number in range(3):
                rng = random.Random(number)
                (data / HOSTILE.replace("/", "_")).write_bytes(rng.randbytes(300_000))
                (data / "d" / "log").write_bytes(random.Random(9).randbytes(400_000 + number * 100_000))
                await publish(
                    data,
                    [parse_reference(f"places:1.{number}.0")],
                    store=opened,
                    key=KEY,
                    options=PublishOptions(average=64 * 1024),
                )

    trio.run(fill)
    return url


def test_versions_files_and_averages_are_told_as_text(run: Run, store: str) -> None:
    ended = run("stats", "places", "--store", store, "--what-if", "--no-lan")
    assert ended.code == 0, ended.err
    assert "places: 3 versions" in ended.out
    assert re.search(r"^1\.2\.0 \+1 .*64 KiB", ended.out, re.MULTILINE)
    assert re.search(r"^<script>.*\\x1b\[31m\.bin +2 +600 kB", ended.out, re.MULTILINE)
    assert "64 KiB (in use)" in ended.out
    assert "\x1b" not in ended.out


def test_one_tag_as_json(run: Run, store: str) -> None:
    ended = run("stats", "places:1.1.0", "--store", store, "--json", "--no-lan")
    (stats,) = [one for one in ended.objects if one["event"] == "stats"]
    assert [version["tags"] for version in stats["versions"]] == [["1.1.0"]]
    assert (stats["tag"], stats["is_partial"], stats["what_if"], stats["usage"]) == ("1.1.0", False, None, None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["places@abcdef"], "is one version, and has no history"),
        (["places", "--last", "0"], "--last is a number from 1"),
        (["places:1.1.1"], "there is no places:1.1.1"),
        (["place"], "there is no place"),
        (["places", "--html", "/nowhere/x.html"], "cannot write /nowhere/x.html"),
    ],
)
def test_what_cannot_be_told_is_an_error(run: Run, store: str, words: list[str], says: str) -> None:
    ended = run("stats", *words, "--store", store, "--no-lan")
    assert ended.code in {2, 3}
    assert says in ended.err


def test_without_a_store_there_is_nothing_to_look_at(run: Run, home: Path) -> None:
    ended = run("stats", "places", "--no-lan")
    assert ended.code == 2
    assert "--store" in ended.err


@pytest.mark.parametrize("words", [(), ("--what-if",)])
def test_an_interruption_shows_a_part_and_says_so(
    run: Run, store: str, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    original = Ledger.add

    def add(self: Ledger, *rest: Any) -> Any:
        if len(self.costs) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *rest)

    monkeypatch.setattr(Ledger, "add", add)
    ended = run("stats", "places", "--store", store, "--no-lan", *words)
    assert ended.code == 130
    assert "places: 2 versions" in ended.out
    assert "This is a part" in ended.out


def test_the_report_is_one_page_that_loads_nothing(run: Run, store: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ended = run("stats", "places", "--store", store, "--what-if", "--html", str(page), "--no-lan")
    assert ended.code == 0, ended.err
    text = page.read_text()
    assert not re.search(r"(src|href)=[\"'](?!#)|@import|url\((?!#)", text)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert text.count("<svg ") == 4
    for svg in re.findall(r"<svg .*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(svg)
    assert not [stand_in for stand_in in charts.VARIABLES if stand_in in text]
    assert {f"var({variable})" in text for variable in charts.VARIABLES.values()} == {True}
    assert len(set(re.findall(r'<clipPath id="(\w+)"', text))) == len(re.findall(r"<clipPath ", text))


def test_who_has_what_is_told_where_a_tracker_says_it(run: Run, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = run("stats", "places", "--store", store, "--json", "--no-lan").objects[-1]["versions"][1]["digest"]

    async def read_uses(url: str) -> tuple[VersionUse, ...]:
        return (VersionUse(digest, 1, 17, 3, 2), VersionUse("ef" * 32, 1, 1, 1, 1))

    monkeypatch.setattr("swarm.tracker.http.client.read_uses", read_uses)
    ended = run("stats", "places", "--store", store, "--tracker", "http://127.0.0.1:9", "--no-lan")
    assert re.search(r"^1\.1\.0 \+1 +1 +17 +3$", ended.out, re.MULTILINE)
    assert "how much each gave, it forgets" in ended.out


def test_a_silent_tracker_is_named_and_the_rest_is_told(run: Run, store: str) -> None:
    ended = run("stats", "places", "--store", store, "--tracker", "http://127.0.0.1:9", "--no-lan")
    assert ended.code == 0
    assert "not told: http://127.0.0.1:9" in ended.out


def test_a_report_without_plotting_says_how_to_install_it(
    run: Run, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "find_spec", lambda _: None)
    ended = run("stats", "places", "--store", store, "--html", "x.html", "--no-lan")
    assert ended.code == 2
    assert "[plot]" in ended.err


def test_nothing_found_is_a_report_too() -> None:
    empty = {
        "name": "places", "tag": None, "is_partial": False, "versions_left_out": 0, "versions_gone": [],
        "totals": {"versions": 0}, "versions": [], "hot_files": [], "busy_files": [],
        "what_if": None, "what_if_lacks": "", "usage": None,
    }  # fmt: skip
    assert statistics_lines(empty)[0] == "places: 0 versions"
    assert "<h1>places</h1>" in html_report(empty)


def test_sparklines_and_tables() -> None:
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([0, 4, 8]) == "▁▅█"
    assert len(sparkline(range(1000))) == SPARKS_MAX
    assert sparkline([*[0] * 500, 1, *[0] * 499]).count("█") == 1
    assert table(("a", "n"), [("[bold]x", "1"), ("y", "1,000")]) == [
        "a            n",
        "[bold]x      1",
        "y        1,000",
    ]


def test_files_that_change_often_and_cost_little_are_told_besides() -> None:
    hot = [{"path": f"{number}", "changes": 1, "bytes_new": 9, "size": 9} for number in range(20)]
    busy = [{"path": "clock", "changes": 5, "bytes_new": 1, "size": 1}, hot[0]]
    fields = {"hot_files": hot, "busy_files": busy}
    assert busy_besides(fields, hot[:10]) == busy[:1]
    assert busy_besides(fields, [*hot, busy[0]]) == []
