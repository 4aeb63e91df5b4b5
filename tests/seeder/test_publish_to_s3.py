"""The same publish to an S3 server: interrupted, continued, and found by a consumer."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from swarm.seeder.publication import PublishOptions
from swarm.store import open_store
from tests.dataset.trees import make_tree
from tests.seeder.producers import Producer, read_back
from tests.seeder.test_publish import noise, on_call
from tests.servers.moto import moto
from tests.servers.rgw import rgw
from tests.servers.s3server import S3Server

__all__ = ["moto", "rgw"]

OPTIONS = PublishOptions(average=64 * 1024)


@pytest.mark.parametrize("kind", ["moto", pytest.param("rgw", marks=pytest.mark.rgw)])
async def test_an_interrupted_publish_is_continued_on_s3(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: S3Server = request.getfixturevalue(kind)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    contents = [noise(n, 300_000) for n in range(3)]
    data = make_tree(tmp_path / "data", {f"{n}": content for n, content in enumerate(contents)})
    async with open_store(f"s3://{server.new_bucket()}/some/prefix") as store:
        producer = Producer(data, store)
        with trio.CancelScope() as scope, monkeypatch.context() as patch:
            on_call(store, "put_block", lambda call: scope.cancel() if call == 8 else None, patch)
            await producer.publish("name:1.0.0", options=OPTIONS)
        assert scope.cancelled_caught
        published = await producer.publish("name:1.0.0", options=OPTIONS)
        assert [tag.tag for tag in published.tags] == ["1.0.0", "latest"]
        again = await producer.publish("name:1.0.0", options=OPTIONS)
        assert again.is_unchanged
        record = await producer.newest("name", "latest")
        assert record is not None
        _, stream = await read_back(store, record)
    assert stream == b"".join(contents)
