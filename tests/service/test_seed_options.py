"""Each option of `swarm seed` that shapes a version, from the configuration to the version itself."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from swarm.agent.notices import Silence
from swarm.config.configs import CommonConfig, Links, Mtime, MtimeKind, SeedConfig
from swarm.errors import SwarmError, UsageError
from swarm.protocol.ids import Realm
from swarm.protocol.names import Reference, parse_reference
from swarm.seeder.publication import Publication
from swarm.service.publishing import publish_path


@pytest.fixture
def config(tmp_path: Path) -> SeedConfig:
    data = tmp_path / "data"
    (data / "logs").mkdir(parents=True)
    (data / "a.db").write_bytes(b"a" * 300_000)
    (data / "logs" / "b.log").write_bytes(b"b")
    (data / "link").symlink_to("a.db")
    common = CommonConfig(home=tmp_path / "home", store=str(tmp_path / "store"))
    return SeedConfig(common, Reference("places", "1.0.0"), path=data)


async def published(config: SeedConfig, **changes: object) -> Publication:
    return (await publish_path(replace(config, **changes), Silence()))[0]  # type: ignore[arg-type]


def paths(publication: Publication) -> set[bytes]:
    return {entry.path for entry in publication.version.entries}


async def test_include_and_exclude(config: SeedConfig) -> None:
    assert paths(await published(config)) == {b"a.db", b"link", b"logs", b"logs/b.log"}
    assert paths(await published(config, dataset=Reference("b", "1"), include=("*.db",))) == {b"a.db"}
    assert paths(await published(config, dataset=Reference("c", "1"), exclude=("logs",))) == {b"a.db", b"link"}


async def test_links(config: SeedConfig) -> None:
    assert b"link" not in paths(await published(config, links=Links.SKIP))
    followed = await published(config, dataset=Reference("b", "1"), links=Links.FOLLOW)
    assert followed.version.root.totals.files == 3
    assert (await published(config, dataset=Reference("c", "1"))).version.root.totals.files == 2


async def test_skip_special(config: SeedConfig) -> None:
    assert config.path is not None
    os.mkfifo(config.path / "fifo")
    with pytest.raises(SwarmError, match="fifo"):
        await published(config)
    assert b"fifo" not in paths(await published(config, skip_special=True))


async def test_mtime(config: SeedConfig) -> None:
    async def times(kind: Mtime, name: str) -> set[int | None]:
        publication = await published(config, mtime=kind, dataset=Reference(name, "1"))
        return {entry.mtime_ns for entry in publication.version.entries}

    assert len(await times(Mtime(MtimeKind.KEEP), "keep")) > 1
    assert await times(Mtime(MtimeKind.NONE), "none") == {None}
    assert await times(Mtime(MtimeKind.FIXED, 7 * 10**9), "fixed") == {7 * 10**9}


async def test_block_size_and_rechunk(config: SeedConfig) -> None:
    first = await published(config, block_size=64 * 1024)
    assert first.version.root.cutter.average == 64 * 1024
    other = {"dataset": Reference("places", "2.0.0"), "include": ("*.db",), "block_size": 128 * 1024}
    with pytest.raises(UsageError) as caught:
        await published(config, **other)
    assert "--rechunk" in str(caught.value)
    assert (await published(config, **other, rechunk=True)).version.root.cutter.average == 128 * 1024


async def test_tags_and_no_latest(config: SeedConfig) -> None:
    tags = (parse_reference("places:stable"),)
    found = await published(config, tag=tags, latest=False)
    assert {tag.tag for tag in found.tags} == {"1.0.0", "stable"}
    assert {tag.tag for tag in (await published(config)).tags} >= {"1.0.0", "latest"}


async def test_a_realm_of_its_own(config: SeedConfig, tmp_path: Path) -> None:
    realm = Realm(b"r" * 16)
    assert (await published(config, realm=realm)).realm == realm
    other = replace(config, common=replace(config.common, store=str(tmp_path / "other")))
    assert (await published(other)).realm not in (None, realm)
