"""Rate limits of a running service follow `config.toml`; what it does not say, or says wrongly, changes nothing."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
import trio.testing

from swarm.agent.pacing import Limits, Pacer
from swarm.config.configs import LiveLimits
from swarm.config.live_limits import LIMITS
from swarm.service.live_limits import LOOK_S, follow_limits

Rates = tuple[float | None, float | None, float | None]


@dataclass
class Limited:
    """Stands in for a driver."""

    limits: Limits
    changes: list[Rates] = field(default_factory=list)

    def set_limits(self, *, upload: float | None, download: float | None, origin: float | None) -> None:
        self.changes.append((upload, download, origin))
        self.limits.upload.set_rate(upload)
        self.limits.download.set_rate(download)
        self.limits.origin.set_rate(origin)


def limited(upload: int | None = None, download: int | None = None) -> Limited:
    return Limited(Limits(Pacer(upload), Pacer(download), Pacer()))


async def follow(home: Path, what: Limited, live: LiveLimits, *texts: str | None) -> None:
    """Writes (or, None, removes) the file again and again, and lets it be looked at."""
    file = home / "config.toml"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow_limits, home, live, what)
        for text in texts:
            # Renamed into place, as editors do: the file is never half there.
            if text is None:
                file.unlink()
            else:
                (home / "new").write_text(text)
                (home / "new").rename(file)
            await trio.sleep(1.5 * LOOK_S)
        nursery.cancel_scope.cancel()


async def test_a_changed_file_changes_the_limits_within_seconds(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    what = limited()
    texts = ('upload-limit = "1MB"', 'upload-limit = "2MB"\n[fetch]\norigin-limit = "80kbit"', None)
    await follow(tmp_path, what, LiveLimits("fetch", LIMITS), *texts)
    assert what.changes == [(1_000_000, None, None), (2_000_000, None, 10_000), (None, None, None)]


async def test_the_commands_own_table_counts_and_anothers_does_not(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    what = limited()
    text = 'upload-limit = "1MB"\n[seed]\nupload-limit = "3MB"\n[serve]\nupload-limit = "4MB"'
    await follow(tmp_path, what, LiveLimits("serve", LIMITS), text)
    assert what.changes == [(4_000_000, None, None)]


async def test_what_an_option_has_set_stays(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    what = limited(upload=5, download=7)
    live = LiveLimits("fetch", ("download-limit", "origin-limit"))
    await follow(tmp_path, what, live, 'upload-limit = "1MB"\ndownload-limit = "2MB"')
    assert what.changes == [(5, 2_000_000, None)]
    nothing = limited()
    await follow_limits(tmp_path, LiveLimits("fetch", ()), nothing)
    await follow_limits(tmp_path, None, nothing)
    assert nothing.changes == []


async def test_the_limits_of_the_start_are_no_change(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    (tmp_path / "config.toml").write_text('upload-limit = "1MB"')
    what = limited(upload=1_000_000)
    await follow(tmp_path, what, LiveLimits("fetch", LIMITS), 'upload-limit = "1MB"\nlan = false')
    assert what.changes == []


@pytest.mark.parametrize("wrong", ['upload-limit = "', 'upload-limit = "fast"', 'upload_limt = "2MB"'])
async def test_a_mistake_is_told_and_changes_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    what = limited()
    with caplog.at_level(logging.WARNING):
        await follow(tmp_path, what, LiveLimits("fetch", LIMITS), 'upload-limit = "1MB"', wrong, 'upload-limit = "2MB"')
    assert what.changes == [(1_000_000, None, None), (2_000_000, None, None)]
    assert [record.message for record in caplog.records if "config.toml" in record.message]
