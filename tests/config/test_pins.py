"""trust.toml: pins survive, configured ones stand above, a broken file is an error and not an empty list."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from swarm.config.configs import Pin
from swarm.config.pins import Pins
from swarm.errors import UsageError
from swarm.protocol.ids import Realm

A, B = "ed25519:" + "a" * 52, "ed25519:" + "b" * 52
REALM = Realm(bytes(range(16)))


def test_what_is_pinned_is_found_again(tmp_path: Path) -> None:
    pins = Pins(tmp_path / "home", {})
    assert pins.find("places") is None
    assert pins.add("places", Pin(A)) is None
    assert pins.add("@maps/planet", Pin(B, REALM)) is None
    again = Pins(tmp_path / "home", {})
    assert again.all() == {"@maps/planet": Pin(B, REALM), "places": Pin(A)}
    assert again.add("places", Pin(B)) == Pin(A)
    assert again.remove("places") == Pin(B)
    assert again.remove("places") is None
    assert pins.find("places") is None


def test_the_configuration_stands_above(tmp_path: Path) -> None:
    Pins(tmp_path, {}).add("places", Pin(A))
    pins = Pins(tmp_path, {"places": Pin(B)})
    assert pins.find("places") == Pin(B)
    with pytest.raises(UsageError, match=r"config\.toml pins places"):
        pins.add("places", Pin(A, REALM))


def test_a_broken_file_is_an_error_and_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "trust.toml"
    path.write_text('[trust]\nplaces = "')
    with pytest.raises(UsageError, match=r"trust\.toml"):
        Pins(tmp_path, {}).add("other", Pin(A))
    assert path.read_text() == '[trust]\nplaces = "'


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    names = [f"name-{n}" for n in range(20)]
    threads = [threading.Thread(target=Pins(tmp_path, {}).add, args=(name, Pin(A))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Pins(tmp_path, {}).all()) == sorted(names)
