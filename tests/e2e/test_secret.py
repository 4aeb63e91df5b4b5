"""`--secret`: who knows the words is served, who does not is refused before anything else is said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datasets import KIB, make_data, same
from tests.e2e.processes import Machine, Stage

pytestmark = pytest.mark.timeout(300)

SECRET = "correct horse battery"


@dataclass(frozen=True)
class Closed:
    """A seeder, its tracker inside, that both ask for the secret."""

    data: Path
    url: str


@pytest.fixture(scope="module")
def closed(shared: Stage) -> Closed:
    producer = shared.machine("producer")
    data = make_data(producer.place / "data", 256 * KIB)
    seeder = producer.start("seed", str(data), "places:1.0.0", "--secret", SECRET)
    return Closed(data, seeder.wait_for("ready")["http"])


@pytest.fixture
def consumer(stage: Stage) -> Machine:
    return stage.machine("consumer")


@pytest.mark.parametrize("how", ["option", "environment", "file"])
def test_the_same_secret_opens(closed: Closed, consumer: Machine, how: str) -> None:
    (consumer.place / "secret").write_text(SECRET + "\n")
    (consumer.place / "secret").chmod(0o600)
    words = {"option": ("--secret", SECRET), "file": ("--secret", "@secret")}.get(how, ())
    env = {"SWARM_SECRET": SECRET} if how == "environment" else {}
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--tracker", closed.url, *words, env=env)
    assert ended.receipt
    assert same(closed.data, consumer.copy)


@pytest.mark.parametrize("words", [(), ("--secret", "another one")], ids=["none", "another"])
def test_no_secret_and_another_are_refused_with_a_reason(
    closed: Closed, consumer: Machine, words: tuple[str, ...]
) -> None:
    ended = consumer.run("fetch", "places:1.0.0", str(consumer.copy), "--tracker", closed.url, *words)
    assert ended.code == 4
    assert "secret" in ended.error["message"]
    assert "--secret" in ended.error["hint"]
    assert not consumer.copy.exists()


def test_the_secret_is_shown_nowhere(closed: Closed, consumer: Machine) -> None:
    fetch = consumer.start(
        "fetch", "places:1.0.0", str(consumer.copy), "--tracker", closed.url, "--secret", SECRET, "--linger", "forever"
    )
    fetch.wait_for("receipt")
    ended = fetch.stop()
    assert SECRET not in ended.err
    assert not any(SECRET in str(event) for event in ended.events)
    assert not [path for path in consumer.home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("command", ["seed", "tracker", "fetch", "serve"])
def test_a_public_address_without_a_secret_is_an_error(consumer: Machine, command: str) -> None:
    data = make_data(consumer.place / "data", KIB)
    words = {"seed": (str(data), "places:1.0.0"), "fetch": ("places:1.0.0",)}.get(command, ())
    ended = consumer.run(
        command, *words, "--listen", "192.0.2.1:0", "--tracker", closed_port(), "--no-lan", is_loopback=False
    )
    assert ended.code == 2
    assert "--secret" in ended.complaint
    assert "--open" in ended.complaint


def closed_port() -> str:
    """An address where nothing is: the option alone must do it."""
    return "http://127.0.0.1:9"
