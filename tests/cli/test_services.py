"""fetch, seed, tracker, serve: from words to a config, from notices to a screen, from an end to an exit code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NoReturn

import pytest

from swarm.agent.notices import Level, Note, Phase, Progress, Ready, Receipt
from swarm.config.configs import FetchConfig, SeedConfig, ServeConfig, TrackerConfig
from swarm.errors import SwarmError, TransportError, TrustError
from tests.cli.conftest import DIGEST, PUBLISHED, RECEIPT, FakeService, Run

FIELDS = [
    "event",
    "dataset",
    "digest",
    "files",
    "bytes",
    "bytes_local",
    "bytes_peer",
    "bytes_origin",
    "bytes_wasted",
    "bytes_refetched",
    "bytes_manifest",
    "seconds",
    "seconds_to_ready",
    "peers",
    "banned",
    "dest",
    "bytes_lan",
    "bytes_seeder",
    "bytes_store",
    "origin_copies",
    "seconds_exchange",
    "link_rate",
    "link_share",
    "store_alone_bytes",
    "saved_bytes",
    "price_per_gb",
    "store_alone_cost",
    "saved",
]


def raising(error: BaseException) -> Any:
    async def fail() -> NoReturn:
        raise error

    return fail


def test_fetch_prints_its_receipt(run: Run, service: FakeService) -> None:
    ended = run("fetch", "places:1.0.0")
    assert ended.code == 0
    assert "places:1.0.0" in ended.out
    came = "60 % from this network, 25 % from peers elsewhere, 2 % from seeders, 3 % from the store, 10 % was here"
    assert f"{came}; 3 peers" in ended.out
    (config,) = service.configs
    assert isinstance(config, FetchConfig)
    assert config.dest == Path.cwd() / "places"


def test_the_last_line_of_json_is_the_receipt_with_exactly_its_fields(run: Run, service: FakeService) -> None:
    service.notices = [Progress(Phase.FETCH, 10, 1000), RECEIPT, Note("lingering"), Progress(Phase.LINGER, 1000, 1000)]
    ended = run("fetch", "places:1.0.0", "--json")
    assert [one["event"] for one in ended.objects] == ["ready", "progress", "receipt"]
    last = ended.objects[-1]
    assert list(last) == FIELDS
    assert last["bytes"] == last["bytes_local"] + last["bytes_peer"] + last["bytes_origin"]
    assert last["bytes_origin"] == last["bytes_seeder"] + last["bytes_store"]
    assert last["digest"] == DIGEST
    assert ended.err == ""


def test_a_receipt_that_was_only_returned_is_printed_once(run: Run, service: FakeService) -> None:
    assert [one["event"] for one in run("fetch", "places", "--json").objects] == ["ready", "receipt"]
    service.notices = [RECEIPT]
    assert [one["event"] for one in run("fetch", "places", "--json").objects] == ["ready", "receipt"]


def test_quiet_prints_nothing_but_warnings(run: Run, service: FakeService) -> None:
    service.notices = [Note("by the way"), Note("look out", Level.WARNING), Progress(Phase.FETCH, 1, 2), PUBLISHED]
    ended = run("fetch", "places", "-q")
    assert ended.out == ""
    assert ended.err == "warning: look out\n"


def test_details_come_with_v(run: Run, service: FakeService) -> None:
    service.notices = [Note("a detail", Level.DETAIL)]
    assert "a detail" not in run("fetch", "places").err
    assert "a detail" in run("fetch", "places", "-v").err
    assert "a detail" not in run("fetch", "places", "--json").out
    assert "a detail" in run("fetch", "places", "--json", "-v").out


def test_an_error_is_its_message_its_hint_and_its_code(run: Run, service: FakeService) -> None:
    service.then = raising(TrustError("another key signs it", hint="swarm trust places FINGERPRINT"))
    ended = run("fetch", "places")
    assert ended.code == 5
    assert ended.err == "swarm: another key signs it\n  swarm trust places FINGERPRINT\n"
    in_json = run("fetch", "places", "--json")
    assert in_json.code == 5
    assert in_json.objects[-1] == {
        "event": "error",
        "message": "another key signs it",
        "hint": "swarm trust places FINGERPRINT",
        "exit_code": 5,
    }
    assert "another key signs it" in in_json.err


def test_a_group_of_errors_is_one_error(run: Run, service: FakeService) -> None:
    service.then = raising(ExceptionGroup("x", [TransportError("lost"), TrustError("another key")]))
    ended = run("fetch", "places")
    assert ended.code == 5
    assert "another key" in ended.err
    assert "lost" not in ended.err


def test_a_defect_shows_its_traceback_only_when_asked(
    run: Run, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.then = raising(ZeroDivisionError("oh"))
    ended = run("fetch", "places")
    assert ended.code == 1
    assert "this is a defect in swarm: ZeroDivisionError: oh" in ended.err
    assert "report it" in ended.err
    assert "Traceback" not in ended.err
    assert "Traceback" in run("fetch", "places", "-v").err
    monkeypatch.setenv("SWARM_DEBUG", "1")
    assert "Traceback" in run("fetch", "places").err
    assert "Traceback" in run("fetch", "places", "--json").err


def test_an_expected_error_has_no_traceback_even_then(run: Run, service: FakeService) -> None:
    service.then = raising(SwarmError("no"))
    assert "Traceback" not in run("fetch", "places", "-v").err


def test_what_comes_from_outside_cannot_write_to_the_terminal(run: Run, service: FakeService) -> None:
    service.notices = [Note("peer says \x1b[2Jgone\nfake: line"), Note("path \udcff", Level.WARNING)]
    service.then = raising(TrustError("bad \x07 name"))
    ended = run("fetch", "places")
    assert "\x1b" not in ended.err
    assert "\x07" not in ended.err
    assert "\\x1b[2Jgone\\nfake: line" in ended.err
    assert "\\xff" in ended.err


def test_seed(run: Run, service: FakeService) -> None:
    ready = Ready("seed", ("/ip4/127.0.0.1/tcp/1/p2p/12D3K",), "http://127.0.0.1:4180", None, "swarm fetch places …")
    service.notices = [PUBLISHED, ready]
    ended = run("seed", ".", "places:1.0.0", "-t", "places:stable", "--exclude", "*.tmp", "--exclude", "x/**")
    assert ended.code == 0
    (config,) = service.configs
    assert isinstance(config, SeedConfig)
    assert config.path == Path.cwd()
    assert str(config.tag[0]) == "places:stable"
    assert config.exclude == ("*.tmp", "x/**")
    assert "published places:1.0.0, places:latest as abab" in ended.out
    assert "  swarm fetch places …\n" in ended.out
    assert "tracker at http://127.0.0.1:4180" in ended.err


def test_tracker_and_serve(run: Run, service: FakeService) -> None:
    assert run("tracker", "--origin-budget", "2/site", "--store", "s").code == 0
    assert run("serve", "places", "/there", "--linger", "5min").code == 0
    tracker, serve = service.configs
    assert isinstance(tracker, TrackerConfig)
    assert tracker.common.store == str(Path.cwd() / "s")
    assert isinstance(serve, ServeConfig)
    assert serve.what == ("places", "/there")
    assert serve.linger == 300


def test_the_environment_stands_in_for_options(run: Run, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_TRACKER", "http://10.0.0.7:4180")
    monkeypatch.setenv("SWARM_SECRET", "correct horse")
    run("fetch", "places")
    run("fetch", "places", "--tracker", "http://10.0.0.8:4180")
    first, second = service.configs
    assert first.common.tracker == ("http://10.0.0.7:4180",)
    assert first.common.secret == b"correct horse"
    assert second.common.tracker == ("http://10.0.0.8:4180",)


def test_words_may_stand_among_options(run: Run, service: FakeService) -> None:
    assert run("fetch", "--no-lan", "places", "--tracker", "a", "there").code == 0
    assert service.configs[0].dest == Path.cwd() / "there"
    assert not service.configs[0].common.lan


def test_a_receipt_with_troubles_says_so(run: Run, service: FakeService) -> None:
    service.notices = [
        Receipt("a:b", DIGEST, 1, 10, 0, 10, 0, 5000, 7000, 1, 0.0, 0.1, 1, ("feed" * 16,), "/x\n"),
    ]
    ended = run("fetch", "places")
    assert "7.00 kB fetched again after an interruption" in ended.out
    assert "5.00 kB came and was not needed" in ended.out
    assert f"banned {'feed' * 16}: it sent wrong bytes" in ended.out
    assert "/x\\n" in ended.out


def test_our_warnings_are_shown_and_those_of_libraries_only_when_asked(run: Run, service: FakeService) -> None:
    async def logs() -> Receipt:
        logging.getLogger("swarm.holdings").warning("an interrupted update of %s waits", "/x")
        logging.getLogger("zeroconf").warning("noise")
        logging.getLogger("swarm.agent").info("quiet")
        return RECEIPT

    service.then = logs
    plain = run("fetch", "places").err
    assert "warning: swarm.holdings: an interrupted update of /x waits" in plain
    assert "noise" not in plain
    assert "quiet" not in plain
    verbose = run("fetch", "places", "-v").err
    assert "zeroconf: noise" in verbose
    assert "swarm.agent: quiet" in verbose


def test_a_directory_that_is_gone_is_explained(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = run("ls")
    assert ended.code == 2
    assert "the current directory is gone" in ended.err
