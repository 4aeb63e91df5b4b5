"""What is said where no other machine can connect to this one."""

from __future__ import annotations

import pytest

from tests.cli.conftest import FakeService, Run

PUBLIC, PRIVATE = ("127.0.0.1", "8.8.8.8"), ("10.0.0.7", "127.0.0.1")
SAYS = "other machines cannot connect to this one: 8.8.8.8 is a public address"


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = list(PUBLIC)
    for module in ("cli.exposure", "swarm.config.building"):
        monkeypatch.setattr(f"{module}.interface_addresses", lambda: tuple(found))
    return found


@pytest.mark.parametrize("words", [("seed", ".", "a"), ("tracker",), ("serve",), ("fetch", "a")])
def test_on_a_public_address_without_a_secret_only_loopback_hears(
    run: Run, service: FakeService, addresses: list[str], words: tuple[str, ...]
) -> None:
    assert SAYS in run(*words).err
    assert str(service.configs[-1].common.listen[0]).startswith("127.0.0.1:")
    assert (SAYS in run(*words, "-q").err) == (words[0] != "fetch")
    for more in (("--secret", "long enough"), ("--open",), ("--listen", "127.0.0.1:0")):
        assert SAYS not in run(*words, *more).err


@pytest.mark.parametrize("words", [("seed", ".", "a", "--dry-run"), ("fetch", "a", "--dry-run")])
def test_who_waits_for_nobody_is_not_told(
    run: Run, service: FakeService, addresses: list[str], words: tuple[str, ...]
) -> None:
    assert SAYS not in run(*words).err


def test_nor_is_who_names_only_trackers_of_this_machine(run: Run, service: FakeService, addresses: list[str]) -> None:
    assert SAYS not in run("fetch", "a", "--tracker", "127.0.0.1").err
    assert SAYS in run("fetch", "a", "--tracker", "127.0.0.1", "--tracker", "t.example").err


def test_a_fetch_that_nobody_hears_of_is_not_told(run: Run, service: FakeService, addresses: list[str]) -> None:
    assert SAYS not in run("fetch", "a", "--store", "s", "--no-lan").err
    assert SAYS in run("fetch", "a", "--store", "s").err


def test_private_addresses_are_listened_on(run: Run, service: FakeService, addresses: list[str]) -> None:
    addresses[:] = PRIVATE
    assert run("seed", ".", "a").err == ""
