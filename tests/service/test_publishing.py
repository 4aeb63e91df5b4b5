"""The publishing half of `swarm seed`: what it tells, and what a dry run leaves alone."""

from __future__ import annotations

from pathlib import Path

from swarm.agent.notices import Note, Notice, Published
from swarm.config.configs import CommonConfig, SeedConfig
from swarm.protocol.names import Reference
from swarm.service.publishing import publish_path


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[Notice] = []

    def notify(self, notice: Notice, /) -> None:
        self.heard.append(notice)

    @property
    def notes(self) -> list[str]:
        return [one.text for one in self.heard if isinstance(one, Note)]


async def published(
    tmp_path: Path, *, dry_run: bool, tag: str = "1.0.0", store: bool = False
) -> tuple[Published, Listener]:
    data, listener = tmp_path / "data", Listener()
    data.mkdir(exist_ok=True)
    (data / "a").write_bytes(b"a")
    common = CommonConfig(home=tmp_path / "home", store=str(tmp_path / "store") if store else None)
    config = SeedConfig(common, Reference("places", tag), path=data, dry_run=dry_run)
    return (await publish_path(config, listener))[1], listener


async def test_a_dry_run_without_a_key_makes_none_and_leaves_no_home(tmp_path: Path) -> None:
    found, listener = await published(tmp_path, dry_run=True)
    assert found.tags == ("places:1.0.0", "places:latest")
    assert (found.publisher, found.is_dry_run, found.is_unchanged) == ("", True, False)
    assert listener.notes == ["there is no publisher key yet: the first publish makes one"]
    assert not (tmp_path / "home").exists()


async def test_a_dry_run_goes_by_what_is_there(tmp_path: Path) -> None:
    for store in (False, True):
        first, _ = await published(tmp_path, dry_run=False, store=store)
        again, listener = await published(tmp_path, dry_run=True, store=store)
        assert (again.publisher, again.digest, again.is_unchanged) == (first.publisher, first.digest, True)
        assert again.tags == ("places:1.0.0",)
        assert listener.notes == [f"only times differ from {first.digest[:8]}, which stays"]
        other, _ = await published(tmp_path, dry_run=True, tag="0.9.0", store=store)
        assert (other.tags, other.is_unchanged) == (("places:0.9.0",), False)
