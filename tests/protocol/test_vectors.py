"""The vectors are literal files; today's code must make the same bytes, and read the same meaning out of them."""

from __future__ import annotations

import pytest

from swarm.protocol import keys
from swarm.protocol.chain import verify_chain
from swarm.protocol.codec import decode_message
from swarm.protocol.frames import Flags, unpack
from swarm.protocol.ids import PeerId, digest
from swarm.protocol.lease import verify_lease
from swarm.protocol.records import Order, check_follows, decode_tag_record
from swarm.protocol.version import assemble
from tests.protocol import vectors
from tests.protocol.samples import KEY, OTHER_KEY, lease

FILE = vectors.load()
FORMATS = FILE["formats"]


def raw(name: str) -> bytes:
    return bytes.fromhex(FORMATS[name])


def test_the_file_is_what_the_code_makes() -> None:
    assert vectors.everything() == FILE


@pytest.mark.parametrize("name", FILE["messages"])
def test_messages_mean_what_they_meant(name: str) -> None:
    assert decode_message(bytes.fromhex(FILE["messages"][name])) == vectors.MESSAGES[name]


def test_the_version_is_read() -> None:
    assert digest(raw("root")).hex() == FORMATS["version"]
    version = assemble(raw("root"), {0: raw("blocks page"), 1: raw("tree page")})
    assert [(e.path, e.kind.name, oct(e.mode), e.size, e.target) for e in version.entries] == [
        (b"a", "DIRECTORY", "0o755", 0, None),
        (b"a/one", "FILE", "0o644", 300, None),
        (b"a/up", "SYMLINK", "0o777", 0, b"../b/two"),
        (b"b", "DIRECTORY", "0o700", 0, None),
        (b"b/empty", "FILE", "0o644", 0, None),
        (b"b/two", "FILE", "0o755", 500, None),
    ]
    assert version.entries[1].mtime_ns == 1_700_000_000_123_456_789
    assert version.entries[1].digest == digest(b"1" * 300)
    assert list(version.stream) == [0, 1, 0, 2]
    assert list(version.block_lengths) == [300, 100, 100]
    assert list(version.block_ids) == [digest(b"block %d" % n) for n in (1, 2, 3)]


def test_the_pages_by_hand() -> None:
    """The blocks page and the beginning of the tree page, spelt out from docs/format.md."""
    ids = b"".join(digest(b"block %d" % n) for n in (1, 2, 3)).hex()
    assert FORMATS["blocks page"] == (
        "a6" "0001" "0180"
        "025860" + ids +
        "03" "83" "1864" "01" "43" "c80000"  # 100 + (200, 0, 0)
        "04" "83" "00" "01" "43" "000200"  # new, 2 back, new
        "05" "83" "01" "01" "43" "010000"  # 2, 1, 1
    )  # fmt: skip
    assert FORMATS["tree page"].startswith(
        "a9" "0001" "0180"
        "02" "581d" + b"a\0a/one\0a/up\0b\0b/empty\0b/two\0".hex() +
        "03" "83" "00" "01" "46" "010002010000"  # kinds
        "04" "83" "1901a4" "01" "45" "49001c0049"  # 0644 + …, five modes: the symlink has none
        "05" "83" "00" "02" "46" "012c" "0000" "01f4"  # sizes of three files
    )  # fmt: skip


def test_records_are_read() -> None:
    chain = verify_chain([raw("name record 0"), raw("name record 1")], name="@maps/tiles")
    assert chain.keys == (KEY.public_key, OTHER_KEY.public_key)
    record = decode_tag_record(raw("tag record"))
    assert (record.name, record.tag, record.notes, record.labels) == (
        "@maps/tiles",
        "latest",
        "first",
        (("build", "17"),),
    )
    assert decode_tag_record(raw("tombstone")).root is None
    assert check_follows(raw("tag record"), raw("tombstone")) is Order.NEWER
    assert verify_lease(raw("lease"), OTHER_KEY.public_key) == lease()


def test_keys_have_their_names() -> None:
    key = keys.SigningKey.from_seed(raw("seed"))
    assert key.public_key == raw("public key") == keys.public_key_of(PeerId(FORMATS["peer id"]))
    assert keys.parse_fingerprint(FORMATS["fingerprint"]) == key.public_key
    keys.verify(key.public_key, keys.AGENT_CONTEXT, OTHER_KEY.peer_id.encode(), raw("agent proof"))


def test_frames_are_read() -> None:
    whole, aborted = unpack(raw("frame")), unpack(raw("aborted frame"))
    assert (whole.request, whole.index, whole.offset, whole.length, whole.encoded_length) == (
        5,
        9,
        131_072,
        18_928,
        150_000,
    )
    assert (whole.flags, aborted.flags) == (Flags.LAST, Flags.ABORTED | Flags.LOST)
