"""`swarm gc`, `swarm export`, `swarm import` on real directory stores and homes; nothing listens but a fetch, here."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Run

ALONE = ("--no-lan", "--listen", "127.0.0.1:0")


class Site:
    """A store with two releases that share half of their bytes."""

    def __init__(self, run: Run, place: Path) -> None:
        self._run = run
        self.place = place
        self.store = str(place / "store")
        self.data = place / "data"
        self.data.mkdir()
        (self.data / "both").write_bytes(os.urandom(400_000))
        for release in ("1.0.0", "1.1.0"):
            (self.data / "new").write_bytes(os.urandom(400_000))
            self.published = self.ok(
                "seed", str(self.data), f"places:{release}", "--store", self.store, "--once", "--json"
            )

    def ok(self, *words: str) -> Ended:
        ended = self._run(*words)
        assert ended.code == 0, ended.err
        return ended

    @property
    def publisher(self) -> str:
        return str(self.ok("key", "show").out.strip())

    def size(self) -> int:
        return sum(path.stat().st_size for path in Path(self.store, "blocks").rglob("*") if path.is_file())


@pytest.fixture
def site(run: Run, tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    return Site(run, tmp_path / "site")


def test_garbage_that_is_too_young_is_counted_and_not_denied(site: Site) -> None:
    site.ok("untag", "places:1.0.0", "--store", site.store, "--force")
    young = ("gc", "--store", site.store, "--keep-last", "1")
    said = site.ok(*young).out
    assert "not condemned yet: 1 version, " in said
    assert "written in the last 10 s" in said
    assert "nothing to remove" not in said
    Path(site.store, "publishing", "0" * 32).write_bytes(b"")
    told = site.ok(*young, "--json").objects[-1]
    assert (told["condemned"]["versions"], told["young"]["versions"]) == (0, 1)
    assert told["young"]["bytes"] > 0
    assert "less than a day ago, and somebody publishes now" in site.ok(*young, "--dry-run").out


def test_a_release_that_was_untagged_is_collected(site: Site, run: Run) -> None:
    before = site.size()
    kept = site.ok("gc", "--store", site.store, "--no-publishers")
    assert "nothing to remove" in kept.out
    site.ok("untag", "places:1.0.0", "--store", site.store, "--force")
    # `latest` meant it once, and one step back is kept.
    assert site.ok("gc", "--store", site.store, "--no-publishers", "--json").objects[-1]["freed"]["blocks"] == 0
    only = ("gc", "--store", site.store, "--no-publishers", "--keep-last", "1")
    dry = site.ok(*only, "--dry-run", "--json").objects[-1]
    assert site.size() == before
    assert dry["is_dry_run"]
    (dropped,) = dry["versions"]
    assert {(one["tag"], one["seq"]) for one in dropped["meanings"]} == {("places:1.0.0", 0), ("places:latest", 0)}
    told = site.ok(*only, "--dry-run").out
    assert f"  {dropped['digest'][:16]}  frees " in told
    assert "    was places:latest #0 until 20" in told
    done = site.ok(*only, "--json").objects[-1]
    assert done["freed"] == dry["freed"]
    assert done["freed"]["versions"] == 1
    assert done["freed"]["bytes"] > 400_000
    assert site.size() < before - 400_000
    site.ok("fetch", "places:1.1.0", str(site.place / "out"), "--store", site.store, *ALONE)
    assert filecmp.cmp(site.data / "new", site.place / "out" / "new", shallow=False)
    assert run("gc", "--store", str(site.place / "none")).code == 3


def test_what_is_condemned_and_when_it_goes_is_said(site: Site) -> None:
    site.ok("untag", "places:1.0.0", "--store", site.store, "--force")
    for path in Path(site.store).rglob("*"):
        if path.is_file():
            os.utime(path, (path.stat().st_mtime - 3600,) * 2)
    told = site.ok("gc", "--store", site.store, "--keep-last", "1").out
    assert "condemned: 1 version" in told
    assert "to be deleted by a run after" in told
    assert "condemned before: 1 version" in site.ok("gc", "--store", site.store, "--keep-last", "1").out


def test_a_damaged_version_stops_it(site: Site, run: Run) -> None:
    digest = site.published.objects[-1]["digest"]
    Path(site.store, "versions", digest).write_bytes(b"rubbish")
    stopped = run("gc", "--store", site.store, "--no-publishers")
    assert stopped.code == 7
    assert "nothing was deleted" in stopped.err


def test_a_site_without_a_network_gets_it_by_a_bundle(site: Site, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    publisher, bundle = site.publisher, str(site.place / "places.tar")
    exported = site.ok("export", "places:1.1.0", bundle, "--store", site.store, "--json").objects[-1]
    assert exported["bytes"] == Path(bundle).stat().st_size
    monkeypatch.setenv("SWARM_HOME", str(site.place / "far home"))
    far = str(site.place / "far store")
    imported = site.ok("import", bundle, "--store", far, "--json").objects[-1]
    assert imported["blocks"] == imported["blocks_new"] == exported["blocks"] > exported["pages"] > 0
    assert site.ok("gc", "--store", far, "--json").objects[-1]["kept"]["blocks"] == exported["blocks"]
    assert imported["tags"] == ["places:1.1.0"]
    out = site.place / "out"
    site.ok("fetch", "places:1.1.0", str(out), "--store", far, "--publisher", publisher, *ALONE)
    assert not filecmp.dircmp(site.data, out, ignore=[".swarm"]).diff_files
    wrong = run("fetch", "places:1.1.0", "other", "--store", far, "--publisher", "ed25519:" + "a" * 52, *ALONE)
    assert wrong.code == 5
    again = site.ok("export", "places:1.1.0", str(site.place / "again.tar"), "--json").objects[-1]
    assert again["blocks"] == exported["blocks"]


def test_a_bundle_from_a_holding_has_the_history_that_this_machine_has_seen(site: Site) -> None:
    out, bundle, far = site.place / "out", str(site.place / "b.tar"), str(site.place / "far")
    for version in ("1.0.0", "1.1.0"):
        site.ok("tag", f"places:{version}", "places:stable", "--store", site.store)
    site.ok("fetch", "places:stable", str(out), "--store", site.store, *ALONE)
    exported = site.ok("export", "places:stable", bundle, "--json").objects[-1]
    assert exported["records"] == 2
    site.ok("import", bundle, "--store", far)
    logged = site.ok("log", "places:stable", "--store", far, "--json")
    assert [record["seq"] for record in logged.objects] == [1, 0]
    assert "not in this store" in site.ok("log", "places:stable", "--store", far).out


def test_the_log_of_what_came_by_a_bundle_without_its_history_says_where_it_begins(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0.0", "1.1.0"):
        site.ok("tag", f"places:{version}", "places:stable", "--store", site.store)
    out, bundle, far = site.place / "out", str(site.place / "b.tar"), str(site.place / "far")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("SWARM_HOME", str(site.place / "a home that has seen one record"))
        site.ok("fetch", "places:stable", str(out), "--store", site.store, *ALONE)
        site.ok("export", "places:stable", bundle)
        site.ok("import", bundle, "--store", far)
    logged = site.ok("log", "places:stable", "--store", far)
    assert logged.out.count("signed") == 1
    assert "the records before #1 are not here" in logged.err
    (record,) = site.ok("log", "places:stable", "--store", far, "--json").objects
    assert (record["seq"], record["bytes_new"]) == (1, None), "nobody here knows what it came after"
    site.ok("stats", "places", "--store", far)
    back = run("rollback", "places:stable", "--store", far)
    assert (back.code, "before #1 is not known here" in back.err) == (3, True), back.err


def test_a_bundle_that_cannot_be_written_leaves_nothing(site: Site, run: Run) -> None:
    digest = site.published.objects[-1]["digest"]
    for block in Path(site.store, "blocks").rglob("*"):
        if block.is_file() and block.stat().st_size > 50_000:
            block.write_bytes(block.read_bytes()[:-1] + b"?")
    failed = run("export", f"places@{digest}", str(site.place / "b.tar"), "--store", site.store)
    assert failed.code in {3, 7}
    assert not [path for path in site.place.iterdir() if "b.tar" in path.name]


def test_a_store_that_lost_its_name_gets_none_from_a_bundle(site: Site, run: Run) -> None:
    bundle = str(site.place / "b.tar")
    site.ok("export", "places:1.1.0", bundle, "--store", site.store)
    marker = Path(site.store, "swarm.cbor")
    marker.unlink()
    refused = run("import", bundle, "--store", site.store)
    assert (refused.code, "has lost its swarm.cbor" in refused.err) == (5, True), refused.err
    assert not marker.exists()


def test_a_bundle_of_another_realm_is_a_conflict(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, other = str(site.place / "b.tar"), str(site.place / "other")
    site.ok("export", "places:1.1.0", bundle, "--store", site.store)
    monkeypatch.setenv("SWARM_HOME", str(site.place / "other home"))
    site.ok("seed", str(site.data), "mine", "--store", other, "--once", "--no-lan")
    refused = run("import", bundle, "--store", other)
    assert refused.code == 8
    assert "--realm" not in refused.err


def test_a_bundle_goes_into_a_file(site: Site, run: Run) -> None:
    for file in (str(site.place), str(site.place / "none" / "b.tar")):
        refused = run("export", "places:1.1.0", file, "--store", site.store)
        assert (refused.code, "directory" in refused.err) == (2, True), refused.err


def test_what_is_no_bundle_is_said(run: Run, tmp_path: Path) -> None:
    assert run("import", "none.tar", "--store", str(tmp_path / "s")).code == 3
    (tmp_path / "here" / "x.tar").write_bytes(b"PK" * 1000)
    assert run("import", "x.tar", "--store", str(tmp_path / "s")).code == 7
    assert not (tmp_path / "s").exists()
    assert run("import", "x.tar").code == 2
    assert run("export", "places", "-", "--json").code == 2
