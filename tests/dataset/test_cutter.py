"""The fast cutter finds what the specification says, in whatever pieces it is fed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyfastcdc import FastCDC

from swarm.dataset import reference
from swarm.dataset.cutter import StreamCutter, cutter_of
from tests.examples import examples

VECTORS = json.loads((Path(__file__).parent / "vectors" / "cutter.json").read_text())
AVERAGES = st.sampled_from([256, 512, 1024, 4096])


def fast_lengths(data: bytes, average: int) -> list[int]:
    return lengths(StreamCutter(cutter_of(average)).cut(memoryview(data), is_last=True))


def lengths(ends: list[int]) -> list[int]:
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def cut_in_windows(data: bytes, average: int, window_sizes: list[int]) -> list[int]:
    """Feeds the stream as a reader does: what was left over, and then the next few bytes."""
    cutter, carry, found, position = StreamCutter(cutter_of(average)), b"", [], 0
    sizes = iter(window_sizes)
    while True:
        size = next(sizes, len(data))
        window = carry + data[position : position + size]
        position += size
        ends = cutter.cut(memoryview(window), is_last=position >= len(data))
        found += lengths(ends)
        carry = window[ends[-1] if ends else 0 :]
        assert len(carry) < average * 4
        if position >= len(data):
            return found


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Random bytes, runs of one byte, short periods, and the same again: what real files are made of."""
    parts: list[bytes] = []
    for _ in range(draw(st.integers(0, 6))):
        length, seed = draw(st.integers(0, 20_000)), draw(st.integers(0, 2**32))
        rng = random.Random(seed)
        match draw(st.sampled_from(["random", "zeros", "byte", "period", "again"])):
            case "random":
                parts.append(rng.randbytes(length))
            case "zeros":
                parts.append(bytes(length))
            case "byte":
                parts.append(bytes([seed % 256]) * length)
            case "period":
                parts.append((rng.randbytes(1 + seed % 300) * length)[:length])
            case "again":
                parts.append(rng.choice(parts) if parts else b"")
    return b"".join(parts)


def test_the_gear_table_has_the_name_that_the_format_gives_it() -> None:
    table = b"".join(word.to_bytes(8, "big") for word in reference.gear_table())
    assert blake3(table).hexdigest() == reference.GEAR_BLAKE3 == VECTORS["gear_blake3"]


def test_each_mask_has_the_ones_that_it_is_named_by() -> None:
    assert {bits: mask.bit_count() for bits, mask in reference.MASKS.items()} == {bits: bits for bits in range(7, 24)}


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["average"])
def test_the_fast_cutter_finds_the_golden_cut_points(vector: dict[str, object]) -> None:
    data = reference.sample(str(vector["sample"]), int(str(vector["bytes"])))
    assert fast_lengths(data, int(str(vector["average"]))) == vector["lengths"]


def test_the_reference_makes_the_first_golden_vector() -> None:
    vector = VECTORS["vectors"][0]
    data = reference.sample(vector["sample"], vector["bytes"])
    assert reference.cut_lengths(data, 65536, 16384, 262144) == vector["lengths"]


@pytest.mark.slow
def test_the_reference_makes_all_golden_vectors() -> None:
    assert reference.vectors() == VECTORS["vectors"]


@given(streams(), AVERAGES)
@example(b"", 256)
@example(b"x" * 63, 256)
@example(b"x" * 64, 256)
@example(b"x" * 65, 256)
@settings(max_examples=examples(100))
def test_the_fast_cutter_finds_what_the_reference_finds(data: bytes, average: int) -> None:
    assert fast_lengths(data, average) == reference.cut_lengths(data, average, average // 4, average * 4)


@given(streams(), AVERAGES)
@settings(max_examples=examples(100))
def test_blocks_cover_the_stream_and_keep_their_bounds(data: bytes, average: int) -> None:
    found = fast_lengths(data, average)
    assert sum(found) == len(data)
    assert all(average // 4 <= length <= average * 4 for length in found[:-1])
    assert all(0 < length <= average * 4 for length in found[-1:])


@given(streams(), AVERAGES, st.lists(st.integers(0, 9000), max_size=30))
@settings(max_examples=examples(100))
def test_cutting_does_not_depend_on_the_windows(data: bytes, average: int, window_sizes: list[int]) -> None:
    assert cut_in_windows(data, average, window_sizes) == fast_lengths(data, average)


@pytest.mark.parametrize("average", [256, 1024])
def test_a_window_that_grows_byte_by_byte_is_cut_alike(average: int) -> None:
    data = random.Random(7).randbytes(average * 9 + 1)
    assert cut_in_windows(data, average, [1] * len(data)) == fast_lengths(data, average)


def test_an_insertion_changes_only_the_blocks_that_it_touches() -> None:
    data = random.Random(3).randbytes(400_000)
    changed = data[:200_000] + b"inserted" + data[200_000:]
    before, after = blocks_of(data), blocks_of(changed)
    assert len(after - before) <= 4
    assert len(before) > 150


def blocks_of(data: bytes) -> set[bytes]:
    found, start = set(), 0
    for length in fast_lengths(data, 2048):
        found.add(data[start : start + length])
        start += length
    return found


def test_a_run_of_one_byte_is_blocks_of_one_length() -> None:
    found = fast_lengths(bytes(64 * 4096), 1024)
    assert set(found) == {4096}


def test_the_cutter_is_the_compiled_one() -> None:
    """The library falls back to Python 200 times slower where its wheel has no compiled part."""
    assert FastCDC.__module__.startswith("pyfastcdc.cy")
