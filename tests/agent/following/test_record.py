"""The record file: whole or not there, and never in the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from swarm.agent.following.record import INSTALLED_MAX, FollowRecord, RecordFile, Step

STEP = Step("ab" * 32, "stable", "cd" * 16, 100, 3, 1_000)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "home", tmp_path / "dest", "maps:stable")
    assert file.load() == FollowRecord()
    record = FollowRecord().settle(STEP).begin(replace(STEP, seq=4)).refuse(replace(STEP, seq=4), "it ended with 1")
    file.save(record)
    assert file.load() == record
    assert file.load().refused == replace(STEP, seq=4)
    assert RecordFile(tmp_path / "home", tmp_path / "other", "maps:stable").load() == FollowRecord()
    assert RecordFile(tmp_path / "home", tmp_path / "dest", "maps:beta").load() == FollowRecord()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"name": "maps:stable"}', b"\xff\xfe", b"null"])
def test_a_damaged_record_is_no_record(tmp_path: Path, damage: bytes) -> None:
    file = RecordFile(tmp_path, tmp_path / "dest", "maps:stable")
    file.save(FollowRecord().settle(STEP))
    (path,) = (tmp_path / "follow").iterdir()
    path.write_bytes(damage)
    assert file.load() == FollowRecord()
    path.write_text('{"name":"maps:stable","settled":{"digest":"zz"},"pending":null,"refused":null,"installed":[]}')
    assert file.load() == FollowRecord()


def test_settling_ends_whatever_was_begun_and_keeps_the_order_of_what_was_current() -> None:
    other = replace(STEP, digest="ef" * 32, seq=4)
    record = FollowRecord().settle(STEP).begin(other).settle(other).settle(replace(STEP, seq=5))
    assert record.installed == (STEP.digest, other.digest)
    assert (record.pending, record.refused, record.reason) == (None, None, "")
    many = FollowRecord()
    for number in range(INSTALLED_MAX + 5):
        many = many.settle(replace(STEP, digest=f"{number:064x}"))
    assert len(many.installed) == INSTALLED_MAX


def test_a_step_is_later_by_its_number_and_another_tag_or_realm_always() -> None:
    assert replace(STEP, seq=4).is_after(STEP)
    assert not STEP.is_after(replace(STEP, seq=4))
    assert not STEP.is_after(STEP)
    assert replace(STEP, epoch=101, seq=0).is_after(STEP)
    assert not STEP.is_after(replace(STEP, epoch=101, seq=0))
    assert replace(STEP, tag="2.0.0", seq=0).is_after(STEP)
    assert replace(STEP, realm="00" * 16, seq=0).is_after(STEP)
