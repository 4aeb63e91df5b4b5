"""One stream of notices on two screens: paces, loudness, sentences."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.ui.bar import WAITING_LINES_MAX, picture
from cli.ui.json_lines import JsonScreen
from cli.ui.screen import Look, is_verbose, wants_color
from cli.ui.text import TextScreen
from cli.ui.wording import doing, paste_lines, percent, printable, progress_line, receipt_lines, resolved_line
from swarm.agent.notices import Committed, Note, Phase, Planned, Progress, Ready, Receipt, Resolved, Waits
from tests.cli.conftest import DIGEST, FINGERPRINT, RECEIPT

TEXT, JSON = Look(), Look(json=True)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def text_screen(
    look: Look = TEXT, stderr: io.StringIO | None = None
) -> tuple[TextScreen, io.StringIO, io.StringIO, Clock]:
    out, err, clock = io.StringIO(), stderr or io.StringIO(), Clock()
    return TextScreen(out, err, look, clock), out, err, clock


def json_screen(look: Look = JSON) -> tuple[JsonScreen, io.StringIO, Clock]:
    out, clock = io.StringIO(), Clock()
    return JsonScreen(out, io.StringIO(), look, clock), out, clock


def objects(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def moment(done: int, waiting: str | None = None, phase: Phase = Phase.FETCH) -> Progress:
    return Progress(phase, done, 1000, rate=100.0, seconds_left=9.0, bytes_peer=done, peers=2, waiting=waiting)


def test_without_a_terminal_there_is_a_line_every_ten_seconds() -> None:
    screen, _, err, clock = text_screen()
    for second in range(31):
        clock.now = 100.0 + second
        screen.notify(moment(second))
    lines = err.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == "fetching, 1 %, 10 B of 1.00 kB, 100 B/s, 9.0 s left, 100 % from peers, 2 peers"


def test_a_wait_is_told_at_once_but_once() -> None:
    screen, _, err, clock = text_screen()
    screen.notify(moment(1))
    for second in range(1, 9):
        clock.now = 100.0 + second
        screen.notify(moment(1, waiting="nobody has block 7"))
    assert err.getvalue().count("waiting: nobody has block 7") == 1


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen, out, err, clock = text_screen(Look(color="never"), Terminal())
    for tenth in range(10):
        clock.now += 0.2
        screen.notify(moment(100 * tenth, waiting="slow down" if tenth == 5 else None))
    screen.notify(Note("a peer left"))
    screen.notify(RECEIPT)
    shown = err.getvalue()
    assert "fetching" in shown
    assert "50 %" in shown
    assert "waiting: slow down" in shown
    assert "a peer left" in shown
    assert "\x1b[?25l" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert "places:1.0.0" in out.getvalue()
    screen.close()


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_bar_keeps_within_its_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    for phase in Phase:
        moments = (moment(999, "x" * 300, phase), Progress(phase, 5), Progress(phase, 7 * 10**12, 9 * 10**12, 1e9, 1e4))
        for one in moments:
            with console.capture() as captured:
                console.print(picture(one, width))
            lines = captured.get().splitlines()
            assert max(map(len, lines)) <= width
            assert len(lines) <= 2 + WAITING_LINES_MAX
            assert lines[0].startswith(doing(phase)[:10])


def test_a_long_reason_is_shown_to_its_end_on_an_ordinary_terminal() -> None:
    reason = (
        "none of 12 neighbours has it, the tracker is away since 12.3 s, no store to ask; no new block was seen for "
        "10.3 s; more neighbours are looked for every 5 s; the tracker: http://10.0.0.7:4180: connection refused"
    )
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(picture(moment(999, reason), 80))
    lines = captured.get().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert " ".join(line.strip() for line in lines).endswith(f"waiting: {reason}")


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen, _, err, clock = text_screen(Look(), Terminal())
    screen.notify(moment(1))
    clock.now += 10
    screen.notify(moment(2))
    assert "\x1b" not in err.getvalue()


def test_json_progress_comes_once_a_second_and_with_a_new_phase() -> None:
    screen, out, clock = json_screen()
    for step in range(21):
        clock.now = 100.0 + step / 4
        screen.notify(moment(step))
    assert [one["bytes_done"] for one in objects(out)] == [0, 4, 8, 12, 16, 20]
    screen.notify(moment(20, phase=Phase.COMMIT))
    assert objects(out)[-1]["phase"] == "commit"


def test_json_tells_each_wait_as_it_begins() -> None:
    screen, out, clock = json_screen()
    for reason in ("a", "a", None, "b", "b"):
        clock.now += 0.1
        screen.notify(moment(1, waiting=reason))
    waits = [one for one in objects(out) if one["event"] == "waiting"]
    assert [one["reason"] for one in waits] == ["a", "b"]


def test_a_wait_whose_numbers_change_is_the_same_wait() -> None:
    screen, out, clock = json_screen()
    text, _, err, text_clock = text_screen()
    for tenth in range(80):
        clock.now = text_clock.now = 100.0 + tenth / 10
        # It ends for a moment now and then: the tracker has been told something.
        reason = None if tenth % 20 == 19 else f"asked of 3fa2c1d0 {tenth / 10:.1f} s ago, {tenth} bytes came"
        screen.notify(moment(1, waiting=reason))
        text.notify(moment(1, waiting=reason))
    assert sum(one["event"] == "waiting" for one in objects(out)) == 1
    assert err.getvalue().count("waiting") == 1
    screen.notify(moment(1, waiting="something else"))
    assert objects(out)[-1]["reason"] == "something else"


def test_nothing_follows_the_receipt() -> None:
    screen, out, _ = json_screen()
    screen.notify(RECEIPT)
    assert screen.has_receipt
    screen.notify(moment(1))
    screen.say("more")
    screen.warn("still more")
    assert [one["event"] for one in objects(out)] == ["receipt"]


def test_quiet_json_has_no_progress_and_no_notes() -> None:
    screen, out, _ = json_screen(Look(json=True, quiet=True))
    screen.notify(moment(1))
    screen.notify(Note("by the way"))
    screen.notify(Resolved("a:b", DIGEST))
    screen.notify(RECEIPT)
    assert [one["event"] for one in objects(out)] == ["resolved", "receipt"]


def test_who_answered_is_said_in_words() -> None:
    assert resolved_line(Resolved("a:b", DIGEST, FINGERPRINT, "local")) == (
        f"a:b is {DIGEST[:16]}, signed by ed25519:aaaaaaaaaaaa… (as this machine remembers it)"
    )
    assert resolved_line(Resolved("a:b", DIGEST, None, "store")) == f"a:b is {DIGEST[:16]} (from the store)"


@pytest.mark.parametrize(
    ("ready", "line"),
    [
        (Ready("seed", (), "http://10.0.0.7:4180", command="X"), "to fetch it elsewhere:"),
        (Ready("seed", (), "http://127.0.0.1:4180", command="X"), "to fetch it on this machine:"),
        (Ready("seed", (), "http://[::1]:4180", command="X"), "to fetch it on this machine:"),
        (Ready("seed", ("/ip4/127.0.0.1/tcp/5/p2p/x",), None, command="X"), "to fetch it on this machine:"),
        (Ready("seed", ("/ip6/fd00::1/tcp/5/p2p/x",), None, command="X"), "to fetch it elsewhere:"),
        (Ready("tracker", (), "http://tracker.example", command="X"), "to fetch a dataset of its store elsewhere:"),
    ],
)
def test_the_line_to_paste_says_where_it_works(ready: Ready, line: str) -> None:
    assert paste_lines(ready) == ["", line, "  X", ""]


def test_where_a_fetch_listens_is_a_detail() -> None:
    for look, count in ((Look(), 0), (Look(verbose=True), 1)):
        screen, out, err, _ = text_screen(look)
        screen.notify(Ready("fetch", ("/ip4/10.0.0.7/tcp/5",)))
        assert err.getvalue().count("listening on") == count
        assert out.getvalue() == ""
    screen, _, err, _ = text_screen()
    screen.notify(Ready("serve", ("/ip4/10.0.0.7/tcp/5",)))
    assert "listening on /ip4/10.0.0.7/tcp/5" in err.getvalue()


def test_a_receipt_of_what_was_here_speaks_of_no_rate_and_no_peers() -> None:
    nothing = {"bytes_peer": 0, "bytes_lan": 0, "bytes_origin": 0, "bytes_seeder": 0, "bytes_store": 0, "peers": 0}
    local = replace(RECEIPT, bytes_local=1000, link_share=None, **nothing)  # type: ignore[arg-type]
    assert receipt_lines(local)[1:] == ["3 files, 1.00 kB in 2.0 s", "all of it was here"]
    by_digest = replace(RECEIPT, dataset=f"@maps/a@{DIGEST}")
    assert receipt_lines(by_digest)[0] == f"@maps/a@{DIGEST[:16]} is at /here/places"
    shown = "3 files, 1.00 kB in 2.0 s, 450 B/s; at 94 % of what this link has shown it can do"
    assert shown in receipt_lines(RECEIPT)


def test_a_receipt_speaks_of_money_where_there_is_a_price() -> None:
    assert not any("saved" in line for line in receipt_lines(RECEIPT))
    priced = replace(RECEIPT, price_per_gb=0.09, store_alone_cost=1234.5, saved=0.0456)
    assert "the store alone: 1.10 kB for 1,234.50; 1.00 kB and 0.046 saved" in receipt_lines(priced)


def test_a_receipt_names_only_sources_that_gave_something() -> None:
    far = replace(RECEIPT, bytes_lan=0, bytes_seeder=50, bytes_store=0)
    assert "85 % from peers, 5 % from seeders, 10 % was here; 3 peers" in receipt_lines(far)


def test_what_is_waited_for_is_a_line_of_json_and_a_detail_on_a_screen() -> None:
    waits = Waits(Phase.FETCH, "1 neighbour has it", 5.25, None, 3)
    json_lines, out, _ = json_screen()
    json_lines.notify(waits)
    told = {"event": "waits", "phase": "fetch", "reason": "1 neighbour has it", "since_s": 5.25, "bound_s": None}
    assert objects(out) == [told | {"blocks": 3}]
    for look, count in ((Look(), 0), (Look(verbose=True), 1)):
        screen, _, err, _ = text_screen(look)
        screen.notify(waits)
        assert err.getvalue().count("waiting: 3 blocks: 1 neighbour has it") == count
    quiet, out, _ = json_screen(Look(json=True, quiet=True))
    quiet.notify(waits)
    assert out.getvalue() == ""


def test_json_lines_are_ascii_and_finite() -> None:
    screen, out, _ = json_screen()
    screen.notify(Note("grüße \udcff \x1b \n end"))
    screen.result("x", {"never": math.inf, "nan": math.nan, "list": (1, 2), "third": 1 / 3}, "")
    assert out.getvalue().isascii()
    assert len(out.getvalue().splitlines()) == 2
    assert objects(out)[1] == {"event": "x", "never": None, "nan": None, "list": [1, 2], "third": 0.333333}


def test_a_reader_that_left_stops_no_fetch() -> None:
    json_to_nobody = JsonScreen(Closed(), Closed(), Look(json=True))
    text_to_nobody = TextScreen(Closed(), Closed(), Look())
    for screen in (json_to_nobody, text_to_nobody):
        screen.notify(moment(1))
        screen.notify(RECEIPT)
        screen.warn("x")
        assert screen.has_receipt
        with pytest.raises(BrokenPipeError):
            screen.result("x", {}, "text")


def test_what_a_fetch_will_cost_is_said_before_the_first_byte() -> None:
    screen, _, err, _ = text_screen()
    screen.notify(Planned("a:b", DIGEST, 2, 3_000_000, 1_000_000, 2_000_000, 3_100_000, 9_000_000_000, "/srv/a"))
    assert err.getvalue() == (
        "2 files, 3.00 MB: 1.00 MB is here, 2.00 MB to fetch; needs 3.10 MB of 9.00 GB free at /srv/a\n"
    )


def test_what_was_left_by_an_interrupted_run_is_called_so() -> None:
    screen, _, err, _ = text_screen()
    screen.notify(
        Planned("a:b", DIGEST, 2, 3_000_000, 1_000_000, 2_000_000, 3_100_000, 9_000_000_000, "/srv/a", 400_000)
    )
    assert "1.00 MB is here (400 kB of it from an interrupted run), 2.00 MB to fetch" in err.getvalue()
    progress = Progress(Phase.FETCH, 10, 100, bytes_resumed=400_000)
    assert "400 kB resumed" in progress_line(progress)
    assert "resumed" not in progress_line(Progress(Phase.FETCH, 10, 100))


def test_a_dry_run_is_a_result() -> None:
    screen, out, err, _ = text_screen()
    planned = Planned(
        "a:b", DIGEST, 2, 3_000_000, 1_000_000, 2_000_000, 3_100_000, 9_000_000_000, "/srv/a",
        files_added=1, files_changed=1, files_removed=3, is_dry_run=True,
    )  # fmt: skip
    screen.notify(planned)
    assert err.getvalue() == ""
    assert out.getvalue().splitlines() == [
        f"a:b ({DIGEST[:16]})",
        "2 files, 3.00 MB: 1.00 MB is here, 2.00 MB to fetch; needs 3.10 MB of 9.00 GB free at /srv/a",
        "1 file would be added; 1 file would be replaced; 3 files would be removed",
    ]


def test_a_plan_to_do_nothing_speaks_of_no_room() -> None:
    screen, _, err, _ = text_screen()
    screen.notify(Planned("a:b", DIGEST, 2, 3_000_000, 3_000_000, 0, 0, 0, "/srv/a"))
    assert err.getvalue() == "2 files, 3.00 MB: /srv/a has it as it should be\n"


def test_a_commit_that_was_not_one_step_is_told_and_one_that_was_is_not() -> None:
    screen, _, err, _ = text_screen()
    screen.notify(Committed("a:b", DIGEST, "/srv/a", is_atomic=True))
    assert err.getvalue() == ""
    screen.notify(Committed("a:b", DIGEST, "/srv/a", is_atomic=False))
    assert "entry by entry" in err.getvalue()


def test_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    pipe, terminal = io.StringIO(), Terminal()
    assert wants_color(Look(), terminal, {"TERM": "xterm"})
    assert not wants_color(Look(), pipe, {"TERM": "xterm"})
    assert not wants_color(Look(), terminal, {"TERM": "xterm", "NO_COLOR": "1"})
    assert wants_color(Look(), terminal, {"TERM": "xterm", "NO_COLOR": ""})
    assert not wants_color(Look(), terminal, {"TERM": "dumb"})
    assert wants_color(Look(color="always"), pipe, {"NO_COLOR": "1"})
    assert not wants_color(Look(color="never"), terminal, {})
    screen, _, err, _ = text_screen(Look(color="always"))
    screen.warn("x")
    assert "\x1b[33;1mwarning:\x1b[0m x" in err.getvalue()


def test_debugging_can_be_asked_for_by_the_environment() -> None:
    assert is_verbose(Look(verbose=True), {})
    assert is_verbose(Look(), {"SWARM_DEBUG": "1"})
    assert not is_verbose(Look(), {"SWARM_DEBUG": "0"})
    assert not is_verbose(Look(), {"SWARM_DEBUG": ""})


@pytest.mark.parametrize(
    ("part", "total", "shown"),
    [(0, 0, "100 %"), (0, 10, "0 %"), (1, 1000, "<1 %"), (999, 1000, "99 %"), (1000, 1000, "100 %"), (1, 2, "50 %")],
)
def test_percents_round_neither_to_nothing_nor_to_all(part: int, total: int, shown: str) -> None:
    assert percent(part, total) == shown


def test_an_empty_dataset_has_a_receipt_too() -> None:
    empty = Receipt("a:b", DIGEST, 0, 0, 0, 0, 0, 0, 0, 120, 0.3, 0.2, 0, (), "/srv/a")
    assert receipt_lines(empty) == [f"a:b ({DIGEST[:16]}) is at /srv/a", "0 files, 0 B in 0.30 s"]


def test_files_are_counted_where_they_are_what_counts() -> None:
    assert progress_line(Progress(Phase.SCAN, 2_000_000, files_done=1)) == "scanning, 1 file, 2.00 MB"
    assert progress_line(Progress(Phase.RESOLVE, 0)) == "resolving"


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    assert printable(text).isprintable()
