"""`swarm follow`: from words to a config, and from what a follower tells to lines."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from cli.ui.following import follow_lines
from swarm.agent.follow_notices import FirstAsked, Flipped, Following, FollowNotice, HookEnd, HookEnded, Moved, Standing
from swarm.config.configs import FollowConfig
from swarm.errors import HookError
from swarm.protocol.names import Reference
from tests.cli.conftest import FakeService, Run

ONE, TWO = "11" * 32, "22" * 32
MOVED = Moved("maps:stable", TWO, "stable", 100, 7, 1_000, 1_250, "push", 3, 0.25)
FLIPPED = Flipped("maps:stable", TWO, ONE, "/d/current", 2_000, False, 1.5, 900, 50, 50)
FAILED = HookEnded("maps:stable", TWO, ONE, HookEnd.TIMED_OUT, -15, 60.0, "it had not ended after 60 s")
REFUSED = Following("maps:stable", Standing.REFUSED, ONE, TWO, 1, 12.0, "2222 is refused: it ended with 1")


def test_words_become_a_config(run: Run, service: FakeService, tmp_path: Path) -> None:
    ended = run(
        "follow", "@maps/places:^2.1", "copy", "--exec", "sh -c 'reload \"$SWARM_VERSION\"'", "--exec-timeout", "1min",
        "--keep", "3", "--poll", "500ms", "--retry", "--publisher", "ed25519:" + "a" * 52, "--no-lan",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (config,) = service.configs
    assert isinstance(config, FollowConfig)
    assert config.dataset == Reference("@maps/places", "^2.1")
    assert config.dest == tmp_path / "here" / "copy"
    assert config.exec == ("sh", "-c", 'reload "$SWARM_VERSION"')
    assert (config.exec_timeout, config.keep, config.poll) == (60.0, 3, 0.5)
    assert (config.once, config.retry, config.common.lan) == (False, True, False)


def test_defaults_and_the_file(run: Run, service: FakeService, home: Path) -> None:
    run("follow", "places", "copy")
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text('[follow]\nkeep = 4\npoll = "1min"\nexec = "reload places"\n')
    run("follow", "places:beta", "copy", "--once")
    first, second = service.configs
    assert first.dataset == Reference("places", "latest"), "a channel has a name"
    assert (first.exec, first.exec_timeout, first.keep, first.poll, first.once) == ((), 300.0, 1, 30.0, False)
    assert (second.exec, second.keep, second.poll, second.once) == (("reload", "places"), 4, 60.0, True)


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (("places",), "needs DEST", "--help"),
        ((f"places@{ONE}", "d"), "never moves", "NAME:stable"),
        (("places:stable", "d", "--exec", "'"), "no command line", "quotation"),
        (("places:stable", "d", "--exec", " "), "an empty command", "program"),
        (("places:stable", "d", "--keep", "many"), "'many'", "for example 0"),
        (("places:stable", "d", "--keep", "-1"), "--keep", ""),
        (("places:stable", "d", "--poll", "0"), "no time at all", "30s"),
        (("places:stable", "d", "--exec-timeout", "0s"), "no time at all", "5min"),
        (("places:stable", "d", "--linger", "3"), "no option --linger", ""),
    ],
)
def test_what_makes_no_sense_is_exit_2(
    run: Run, service: FakeService, words: tuple[str, ...], says: str, hint: str
) -> None:
    ended = run("follow", *words)
    assert ended.code == 2, ended.err
    assert says in ended.err
    assert hint in ended.err
    assert not service.configs


def test_a_failed_hook_is_an_exit_code_of_its_own(run: Run, service: FakeService) -> None:
    async def fail() -> NoReturn:
        raise HookError("the hook of 2222: it ended with 1", hint="current is what it was before")

    service.then = fail
    ended = run("follow", "places:stable", "d", "--once")
    assert ended.code == 10
    assert "it ended with 1" in ended.err


def test_json_has_every_event_and_text_what_a_person_wants(run: Run, service: FakeService) -> None:
    service.notices = [MOVED, FirstAsked("maps:stable", TWO, 1_300), FLIPPED, FAILED, REFUSED]
    ended = run("follow", "maps:stable", "d", "--json")
    assert [one["event"] for one in ended.objects] == ["ready", "moved", "asked", "current", "hook", "following"]
    assert ended.objects[-1]["state"] == "refused"
    ended = run("follow", "maps:stable", "d")
    assert "pushed by the tracker" in ended.err
    assert "warning: maps:stable is behind by 1 version, 12 s" in ended.err
    assert not ended.out
    ended = run("follow", "maps:stable", "d", "-q")
    assert ended.err.splitlines() == [line for line in ended.err.splitlines() if line.startswith("warning:")]
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("notice", "line"),
    [
        (MOVED, f"maps:stable is {TWO[:16]} since 0.25 s (pushed by the tracker); 3 versions behind"),
        (FLIPPED,
         f"/d/current is {TWO[:16]}, was {ONE[:16]} "
         "(1.5 s, 100 B moved: 5 % from peers, 5 % from the origin, 90 % was here)"),
        (Flipped("m:s", ONE, TWO, "/d/current", 1, True), f"/d/current is back at {ONE[:16]}, was {TWO[:16]}"),
        (Flipped("m:s", None, TWO, "/d/current", 1, True),
         "/d/current is gone: there is no version to go back to, was 2222"),
        (FAILED, f"the hook of {TWO[:16]} timed out: it had not ended after 60 s"),
        (HookEnded("m:s", TWO, None, HookEnd.DONE, 0, 0.5), "the hook has done its work in 0.50 s"),
        (Following("m:s", Standing.CURRENT, ONE, ONE, 0, 0.0, None, ("push", "store")),
         "m:s is current; a tracker pushes and the store is polled"),
        (Following("m:s", Standing.CURRENT, ONE, ONE, 0, 0.0), "m:s is current; the neighbours are asked"),
        (Following("m:s", Standing.WAITING, ONE, TWO, 2, 61.0, "disk full\x1b[2J"),
         "m:s is behind by 2 versions, 1 min 01 s: disk full\\x1b[2J"),
        (Following("m:s", Standing.WAITING, None, None, None, 0.0, "nobody answers"), "m:s waits: nobody answers"),
        (Following("m:s", Standing.WAITING, None, None, None, 0.0), "m:s is asked for"),
        (HookEnded("m:s", TWO, ONE, HookEnd.MISSING, None, 0.0, "/h: not found"),
         f"the hook of {TWO[:16]} is missing: /h: not found"),
    ],
)  # fmt: skip
def test_lines(notice: FollowNotice, line: str) -> None:
    (said,) = follow_lines(notice)
    assert said.startswith(line)


def test_the_help_says_what_the_hook_finds_and_the_exit_codes(run: Run) -> None:
    ended = run("follow", "--help")
    assert ended.code == 0
    for word in ("SWARM_PREVIOUS_PATH", "--exec-timeout", " 10  the hook", "swarm follow @maps/places:stable"):
        assert word in ended.out
