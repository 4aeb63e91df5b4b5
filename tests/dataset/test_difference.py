"""What one version has that another has not, against a naive model that looks at everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.dataset.difference import Difference, compare, new_blocks, new_pages
from swarm.protocol.ids import digest
from swarm.protocol.manifest import Cutter
from swarm.protocol.pages import Entry, Kind
from swarm.protocol.version import Version, assemble
from swarm.protocol.version_builder import build_version

CUTTER = Cutter("fixed", 4, 1, 4, 0, bytes(32))


def version(
    files: dict[str, bytes], *, modes: dict[str, int] | None = None, links: dict[str, str] | None = None
) -> Version:
    """Files cut into four bytes each; directories on the way are added."""
    entries = {path.encode(): content for path, content in files.items()}
    targets = {path.encode(): target.encode() for path, target in (links or {}).items()}
    directories = {above for path in (*entries, *targets) for above in _above(path)}
    rows = []
    for path in sorted({*entries, *targets, *directories}):
        mode = (modes or {}).get(path.decode(), 0o644)
        if path in entries:
            rows.append(Entry(path, Kind.FILE, mode, None, len(entries[path]), digest(entries[path])))
        elif path in targets:
            rows.append(Entry(path, Kind.SYMLINK, 0o777, None, target=targets[path]))
        else:
            rows.append(Entry(path, Kind.DIRECTORY, 0o755, None))
    stream = b"".join(entries[row.path] for row in rows if row.kind is Kind.FILE)
    pieces = [stream[at : at + 4] for at in range(0, len(stream), 4)]
    built = build_version(rows, ((digest(piece), len(piece)) for piece in pieces), CUTTER)
    return assemble(built.root_bytes, built.pages_by_index)


def _above(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts))]


def paths(found: Difference) -> dict[str, list[bytes]]:
    assert found.old is not None
    old, new = found.old.entries, found.new.entries
    return {
        "added": [new.path(number) for number in found.added],
        "removed": [old.path(number) for number in found.removed],
        "changed": [new.path(number) for _, number in found.changed],
        "moved": [old.path(before) + b">" + new.path(after) for before, after in found.moved],
        "touched": [new.path(number) for _, number in found.touched],
    }


def test_each_kind_of_change_has_its_list() -> None:
    old = version({"a": b"aaaa", "b/c": b"cccc", "b/d": b"dddd", "e": b"eeee"}, links={"l": "a"})
    new = version({"a": b"aaaa", "b/c": b"CCCC", "f/d": b"dddd", "g": b"gggg"}, modes={"a": 0o600}, links={"l": "g"})

    assert paths(compare(old, new)) == {
        "added": [b"g"],
        "removed": [b"e"],
        "changed": [b"b/c", b"l"],
        "moved": [b"b/d>f/d"],
        "touched": [b"a"],
    }


def test_what_moves_is_counted_in_distinct_blocks_and_pages_apart() -> None:
    old = version({"a": b"aaaabbbb"})
    new = version({"a": b"aaaabbbb", "b": b"ccccccccdd"})

    found = compare(old, new)

    assert (found.blocks, found.block_bytes, found.shared_bytes) == (2, 6, 8)
    assert found.pages == 2
    assert found.page_bytes == sum(ref.length for ref in new.space.page_refs)
    assert found.root_bytes == len(new.root_bytes)


def test_from_nothing_everything_is_new() -> None:
    new = version({"a": b"aaaa", "b/c": b"bbbb"})

    found = compare(None, new)

    assert (len(found.added), found.directories_added, found.blocks, found.share) == (2, 1, 2, 1.0)


def test_a_version_against_itself_is_nothing() -> None:
    one = version({"a": b"aaaa"})

    found = compare(one, version({"a": b"aaaa"}))

    assert paths(found) == {"added": [], "removed": [], "changed": [], "moved": [], "touched": []}
    assert (found.blocks, found.pages, found.manifest_bytes, found.shared_bytes) == (0, 0, 0, 4)


def test_a_file_that_took_a_directorys_place_is_added() -> None:
    found = compare(version({"a/b": b"bbbb"}), version({"a": b"aaaa"}))

    assert paths(found)["added"] == [b"a"]
    assert paths(found)["removed"] == [b"a/b"]
    assert found.directories_removed == 1


def test_a_copy_of_a_file_that_stays_is_added_and_moves_nothing() -> None:
    found = compare(version({"a": b"aaaa"}), version({"a": b"aaaa", "b": b"aaaa"}))

    assert paths(found)["added"] == [b"b"]
    assert not found.moved
    assert found.blocks == 0


def test_blocks_of_files_that_only_moved_need_not_come() -> None:
    old = version({"a": b"aaa", "b": b"bbbbb", "c": b"cccc"})
    new = version({"d/b": b"bbbbb", "e": b"aaa", "f": b"news", "g": b"cccc"})

    found = compare(old, new)

    assert (found.blocks, found.block_bytes) == (2, 8), "baaa and news"
    assert (found.moving, found.moving_bytes, found.rebuilt_bytes) == (1, 4, 4)
    assert found.share == 4 / 16


def test_one_file_makes_one_file_and_a_block_in_two_places_needs_both() -> None:
    old = version({"a": b"xyz", "b": b"1234"})

    assert compare(old, version({"a": b"xyz", "b": b"xyz", "c": b"12"})).rebuilt == 0
    assert compare(old, version({"c": b"1234", "d": b"xyz"})).rebuilt == 2
    shifted = version({"a": b"q", "b": b"wxyz"})
    assert compare(shifted, version({"c": b"wxyz"})).rebuilt == 1
    assert compare(shifted, version({"c": b"wxyz", "d": b"wxyz"})).rebuilt == 0


def test_a_file_that_its_owner_may_not_read_is_no_source() -> None:
    new = version({"c": b"bb", "d": b"aa"})

    assert compare(version({"a": b"aa", "b": b"bb"}), new).rebuilt == 1
    assert compare(version({"a": b"aa", "b": b"bb"}, modes={"a": 0}), new).rebuilt == 0


CONTENTS = st.binary(max_size=12).map(lambda data: bytes(each % 3 for each in data))
FILES = st.dictionaries(st.sampled_from(["a", "b", "c", "d/e", "d/f", "g/h"]), CONTENTS, max_size=6)


@given(FILES, FILES, FILES)
def test_it_agrees_with_looking_at_everything(
    old_files: dict[str, bytes], new_files: dict[str, bytes], third: dict[str, bytes]
) -> None:
    old, new, other = version(old_files), version(new_files), version(third)

    found = compare(old, new)

    shown = paths(found)
    moved_from = {each.split(b">")[0].decode() for each in shown["moved"]}
    moved_to = {each.split(b">")[1].decode() for each in shown["moved"]}
    assert {each.decode() for each in shown["added"]} | moved_to == new_files.keys() - old_files.keys()
    assert {each.decode() for each in shown["removed"]} | moved_from == old_files.keys() - new_files.keys()
    both = old_files.keys() & new_files.keys()
    assert {each.decode() for each in shown["changed"]} == {path for path in both if old_files[path] != new_files[path]}
    lacking = set(new.block_ids) - set(old.block_ids)
    assert found.blocks == len(lacking)
    rest = lacking - set(other.block_ids)
    assert {new.block_ids[place] for place in new_blocks(new, [old, other])} == rest


def test_pages_that_both_have_are_not_looked_at() -> None:
    """And the answer is the same: 20,000 files, of which one changes, one goes and one comes."""
    files = {f"{number:05}": number.to_bytes(4, "big") for number in range(20_000)}
    changed = {path: content for path, content in files.items() if path != "00017"} | {"09999": b"news", "a": b"newer"}
    old, new = version(files), version(changed)

    found = compare(old, new)

    assert paths(found) == {"added": [b"a"], "removed": [b"00017"], "changed": [b"09999"], "moved": [], "touched": []}
    assert found.blocks == len(set(new.block_ids) - set(old.block_ids))
    known = {ref.id for ref in old.space.page_refs}
    assert found.pages == sum(ref.id not in known for ref in new.space.page_refs) < len(new.space.page_refs)
    assert len(new_pages(new, [old, new])) == 0
