"""Services take all the files and sockets that the system lets them have; other commands leave the limit alone."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from cli.checks import machine
from cli.checks.check import Status
from cli.open_files import OPEN_FILES_MAX, open_files_to_be_had
from tests.cli.conftest import FakeService, Run

LOW = 512


@pytest.fixture
def hard() -> Iterator[int]:
    """The soft limit is low; yields the hard one, and puts the soft one back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LOW, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def soft_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.mark.parametrize("words", [("tracker",), ("serve",), ("seed", ".", "places")], ids=["tracker", "serve", "seed"])
def test_a_service_raises_its_limit_and_says_so_with_v(
    run: Run, service: FakeService, hard: int, words: tuple[str, ...]
) -> None:
    said = f"open files: {open_files_to_be_had(hard)} at once (it was {LOW})"
    assert said in run(*words, "-v").err
    assert soft_limit() == open_files_to_be_had(hard) > LOW
    assert "open files" not in run(*words, "-v").err, "it is as it should be"


def test_it_is_a_detail(run: Run, service: FakeService, hard: int) -> None:
    assert "open files" not in run("tracker").err
    assert soft_limit() > LOW


@pytest.mark.parametrize(
    "words", [("fetch", "places"), ("seed", ".", "places", "--once", "--store", "s")], ids=["fetch", "once"]
)
def test_what_does_not_serve_leaves_the_limit_alone(
    run: Run, service: FakeService, hard: int, words: tuple[str, ...]
) -> None:
    run(*words)
    assert soft_limit() == LOW


def test_a_limit_that_cannot_be_raised_is_no_failure(
    run: Run, service: FakeService, hard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr("cli.open_files.resource.setrlimit", refuse)
    ended = run("tracker", "-v")
    monkeypatch.undo()
    assert ended.code == 0
    assert f"open files: {LOW} at once, and no more can be had: not allowed" in ended.err


def test_without_a_bound_there_is_one_all_the_same() -> None:
    assert open_files_to_be_had(resource.RLIM_INFINITY) == open_files_to_be_had(1 << 30) == OPEN_FILES_MAX
    assert open_files_to_be_had(4096) == 4096


def test_the_doctor_knows_both_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(soft: int, hard: int) -> tuple[Status, str]:
        monkeypatch.setattr("cli.checks.machine.resource.getrlimit", lambda _which: (soft, hard))
        (found,) = machine.check_limits()
        return found.status, found.text

    assert check(1024, 65536) == (Status.OK, "1024 at once, 65536 in a service")
    assert check(256, 65536)[0] is Status.WARN
    assert check(2048, 2048) == (Status.WARN, "2048 at once, 2048 in a service")
    assert check(resource.RLIM_INFINITY, resource.RLIM_INFINITY)[0] is Status.OK
