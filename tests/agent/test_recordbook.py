"""Records that were seen: what is kept, what is not gone back behind, and names that look like the book's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.agent import recordbook
from swarm.agent.recordbook import Recordbook
from swarm.errors import PermissionError_
from swarm.protocol.chain import verify_chain
from swarm.protocol.records import record_id
from tests.agent.signing import ALICE, ALICES, BOB, OTHER_REALM, chain, tagged


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    Recordbook(tmp_path).keep("data", "latest", tagged(), ALICES)
    book = Recordbook(tmp_path)
    assert book.newest("data", "latest") == tagged()
    assert book.chain("data") == ALICES
    assert (book.names(), book.tags("data")) == (["data"], ["latest"])


def test_an_empty_book_knows_nothing(tmp_path: Path) -> None:
    book = Recordbook(tmp_path / "nowhere")
    assert (book.names(), book.tags("data"), book.newest("data", "x"), book.chain("data")) == ([], [], None, ())


@pytest.mark.parametrize("name", ["tags", "names", "@tags/names", "@scope/tags", "a.b-c_d"])
def test_names_may_look_like_the_books_own_folders(tmp_path: Path, name: str) -> None:
    book = Recordbook(tmp_path)
    book.keep(name, "tags", tagged(tag="tags"), ALICES)
    book.keep("other", "names", tagged(tag="names"), ALICES)
    assert book.names() == sorted([name, "other"])
    assert book.tags(name) == ["tags"]


def test_the_book_does_not_go_back_behind_what_another_process_has_seen(tmp_path: Path) -> None:
    book = Recordbook(tmp_path)
    book.keep("data", "latest", tagged(seq=5), ALICES)
    book.keep("data", "latest", tagged(seq=4), ALICES)
    assert book.newest("data", "latest") == tagged(seq=5)
    book.keep("data", "latest", tagged(epoch=2), ALICES)
    assert book.newest("data", "latest") == tagged(epoch=2)


def test_the_records_that_the_newest_follows_are_kept_as_far_as_they_were_seen(tmp_path: Path) -> None:
    book = Recordbook(tmp_path)
    records: list[bytes] = []
    for seq in range(6):
        records.append(tagged(seq=seq, prev=record_id(records[-1]) if records else None))
    for seen in (0, 1, 3, 4, 5):
        book.keep("data", "latest", records[seen], ALICES)
    assert book.history("data", "latest") == tuple(records[3:])
    assert book.history("data", "other") == ()
    book.keep("data", "latest", records[2], ALICES)
    assert book.history("data", "latest") == tuple(records[3:]), "the past is not gone back to"
    book.keep("data", "latest", tagged(seq=6, prev=bytes(32)), ALICES)
    assert len(book.history("data", "latest")) == 1, "what it does not follow is no history of it"
    book.forget_tag("data", "latest")
    book.keep("data", "latest", records[5], ALICES)
    assert book.history("data", "latest") == (records[5],)
    book.forget("data")
    assert book.history("data", "latest") == ()


def test_no_more_of_a_history_is_kept_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordbook, "HISTORY_MAX", 3)
    book, record = Recordbook(tmp_path), tagged(seq=0)
    for seq in range(1, 9):
        book.keep("data", "latest", record, ALICES)
        record = tagged(seq=seq, prev=record_id(record))
    assert len(book.history("data", "latest")) == 3
    assert len(list((tmp_path / "records" / "data" / "history" / "latest").iterdir())) == 3


def test_a_name_that_began_anew_leaves_nothing_of_its_old_chain(tmp_path: Path) -> None:
    book = Recordbook(tmp_path)
    book.keep("data", "latest", tagged(seq=5), chain((ALICE, (ALICE,)), (ALICE, (ALICE, BOB)), (BOB, (BOB,))))
    anew = chain((ALICE, (ALICE,)), realm=OTHER_REALM)
    book.keep("data", "latest", tagged(realm=OTHER_REALM), anew)
    assert book.chain("data") == anew
    assert book.newest("data", "latest") == tagged(realm=OTHER_REALM)
    assert verify_chain(book.chain("data"), name="data").realm == OTHER_REALM


def test_what_is_forgotten_was_never_seen(tmp_path: Path) -> None:
    book = Recordbook(tmp_path)
    for name in ("data", "data2"):
        book.keep(name, "latest", tagged(), ALICES)
    book.forget("data")
    book.forget("never")
    assert (book.newest("data", "latest"), book.chain("data"), book.tags("data")) == (None, (), [])
    assert book.chain("data2") == ALICES


def test_what_a_killed_write_left_is_no_record(tmp_path: Path) -> None:
    book = Recordbook(tmp_path)
    book.keep("data", "latest", tagged(), ALICES)
    (tmp_path / "records" / "data" / "tags" / ".stable.1234").write_bytes(b"half")
    (tmp_path / "records" / ".part").mkdir()
    (tmp_path / "records" / "stray").write_bytes(b"")
    assert (book.names(), book.tags("data")) == (["data"], ["latest"])


def test_a_disk_that_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "records").write_bytes(b"a file where a folder should be")
    with pytest.raises(Exception, match="cannot write") as caught:
        Recordbook(tmp_path).keep("data", "latest", tagged(), ALICES)
    assert type(caught.value).__module__ == PermissionError_.__module__
