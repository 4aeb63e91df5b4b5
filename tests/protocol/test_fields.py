from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import pytest

from swarm.errors import DecodeError
from swarm.protocol.fields import Field, Fields, Schema
from swarm.protocol.forms import ArrayOf, Boolean, Bytes, EnumOf, Form, Int, PairOf, Prose, RunsOf, Seconds, Text, Uint


class Colour(IntEnum):
    RED = 1


@dataclass(frozen=True)
class Box:
    size: int
    note: str = ""


BOX = Schema("box", Box, (Field(2, "size", Uint(9)), Field(3, "note", Text(5), "")), v=1)
BARE = Schema("box", Box, (Field(2, "size", Uint(9)), Field(3, "note", Text(5), "")))


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Uint(5), 6),
        (Uint(5), -1),
        (Uint(5), True),
        (Uint(5), 1.0),
        (Uint(5, 2), 1),
        (Int(), 2**63),
        (Int(), "1"),
        (Boolean(), 0),
        (Bytes(3), b"abcd"),
        (Bytes(3, 2), b"a"),
        (Bytes(3), "abc"),
        (Bytes(3), bytearray(b"a")),
        (Text(3), "abcd"),
        (Text(3), "éé"),
        (Text(3), b"abc"),
        (Text(9), "a\x1b[2J"),
        (Text(9), "a\nb"),
        (Text(9), "a\u202eb"),
        (Text(9, is_multiline=True), "a\x00b"),
        (Prose(3), "abcd"),
        (EnumOf(Colour), 2),
        (EnumOf(Colour), "RED"),
        (Seconds(1000), 1001),
        (Seconds(1000), 0.5),
        (ArrayOf(Uint(5), 2), [1, 2, 3]),
        (ArrayOf(Uint(5), 2), [1, 6]),
        (ArrayOf(Uint(5), 2), {1: 1}),
        (PairOf(Uint(5), Uint(5)), [1]),
        (PairOf(Uint(5), Uint(5)), [1, "a"]),
        (RunsOf(), [[1, 0]]),
        (RunsOf(), [[-1, 1]]),
        (RunsOf(), [[1, 1], [2, 1]]),
        (RunsOf(), [[3, 1], [1, 1]]),
        (RunsOf(), [[1, 2, 3]]),
        (RunsOf(), [1, 2]),
        (RunsOf(), [[1, True]]),
        (RunsOf(), [[2**40, 1]]),
        (RunsOf(1), [[1, 1], [3, 1]]),
        (RunsOf(5, 3), [[1, 4]]),
    ],
)
def test_a_value_of_another_form_is_refused(form: Form[object], value: object) -> None:
    with pytest.raises(DecodeError):
        form.read(value)


def test_a_table_reads_what_it_writes_and_leaves_defaults_out() -> None:
    assert BOX.write(Box(3)) == {0: 1, 1: [], 2: 3}
    assert BARE.write(Box(3, "x")) == {2: 3, 3: "x"}
    assert BOX.read({0: 1, 1: [], 2: 3}) == Box(3)
    assert BARE.read({2: 3, 3: "x"}) == Box(3, "x")


def test_unknown_keys_are_ignored_unless_required() -> None:
    assert BOX.read({0: 1, 1: [2], 2: 3, 77: "new"}) == Box(3)
    with pytest.raises(DecodeError, match="requires key 77") as caught:
        BOX.read({0: 1, 1: [77], 2: 3, 77: "new"})
    assert "upgrade" in caught.value.hint
    with pytest.raises(DecodeError):
        BARE.read({1: [77], 2: 3})


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {0: 2, 1: [], 2: 3},
        {0: True, 1: [], 2: 3},
        {1: [], 2: 3},
        {0: 1, 2: 3},
        {0: 1, 1: {}, 2: 3},
        {0: 1, 1: ["2"], 2: 3},
        {0: 1, 1: [2] * 33, 2: 3},
        {0: 1, 1: []},
        {0: 1, 1: [], 2: None},
        {0: 1, 1: [], 2: 3, -1: 0},
        {0: 1, 1: [], 2: 3, "4": 0},
        {True: [], 0: 1, 2: 3},
        {0: 1, 1: [], 2: 3, 3: None},
    ],
)
def test_a_map_that_breaks_the_rules_is_refused(value: object) -> None:
    with pytest.raises(DecodeError):
        BOX.read(value)


def test_the_error_says_where() -> None:
    with pytest.raises(DecodeError, match=r"box: size: 12 is not a uint to 9"):
        BARE.read({2: 12})


def test_fields_take_one_by_one() -> None:
    fields = Fields({0: 1, 1: [], 2: 7}, "thing", known=range(4))
    assert fields.take(2, Uint(9)) == 7
    assert fields.take(3, Uint(9), 5) == 5
    assert fields.has(2)
    assert not fields.has(3)
    for key, form in ((3, Uint(9)), (2, Text(5))):
        with pytest.raises(DecodeError, match=f"thing: key {key}"):
            fields.take(key, form)  # type: ignore[arg-type]
    with pytest.raises(DecodeError, match="requires"):
        Fields({0: 1, 1: [4]}, "thing", known=range(4))


def test_a_table_has_each_key_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Schema("box", Box, (Field(2, "size", Uint(9)), Field(2, "note", Text(5))))


def test_prose_is_made_to_fit() -> None:
    form = Prose(8)
    for text in ("é" * 9, "a\nb\x1b[0m", "\udc80", "x" * 100):
        assert form.read(form.write(text)) is not None


def test_huge_values_are_shown_short() -> None:
    for value in (2**100_000, "x" * 9999, b"x" * 9999, [0] * 9999):
        with pytest.raises(DecodeError) as caught:
            Uint(5).read(value)
        assert len(str(caught.value)) < 100
