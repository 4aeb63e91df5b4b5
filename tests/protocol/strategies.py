"""Hypothesis strategies made of the protocol's own tables, so that a new field is tested the day it is written down."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from swarm.protocol.bounds import INDEX_COUNT_MAX
from swarm.protocol.fields import NEEDED, Schema
from swarm.protocol.forms import ArrayOf, Boolean, Bytes, EnumOf, Form, PairOf, Prose, RunsOf, Seconds, Text, Uint
from swarm.protocol.runs import normalise

BYTES_MAX = 80
ITEMS_MAX = 4


def runs(maximum: int = 8, limit: int = 200) -> st.SearchStrategy[Any]:
    pair = st.tuples(st.integers(0, limit), st.integers(1, 5))
    return st.lists(pair, max_size=maximum).map(normalise)


def values_of(form: Form[Any]) -> st.SearchStrategy[Any]:
    """Valid values of one form, small."""
    match form:
        case Uint():
            return st.integers(form.minimum, form.maximum)
        case Boolean():
            return st.booleans()
        case Bytes():
            return st.binary(min_size=form.minimum, max_size=min(form.maximum, max(form.minimum, BYTES_MAX)))
        case Text(pattern=None) | Prose():
            alphabet = st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_categories=("Cc", "Cs"))
            return st.text(alphabet, max_size=min(form.maximum // 2, 20))
        case Text():
            assert form.pattern is not None
            strategy = st.from_regex(form.pattern, fullmatch=True)
            return strategy.filter(lambda text: len(text.encode()) <= form.maximum and text.isascii())
        case EnumOf():
            return st.sampled_from(list(form.enum))
        case Seconds():
            return st.integers(0, form.maximum_ms).map(lambda value: value / 1000)
        case ArrayOf():
            return st.lists(values_of(form.kind), max_size=min(form.maximum, ITEMS_MAX)).map(tuple)
        case PairOf():
            return st.tuples(values_of(form.left), values_of(form.right))
        case RunsOf():
            return runs(min(form.maximum, 8), min(form.limit, INDEX_COUNT_MAX) // 2).filter(
                lambda value: sum(count for _, count in value) <= form.blocks
            )
        case Schema():
            return objects_of(form)
    raise AssertionError(f"no strategy for {form}")


def objects_of(schema: Schema[Any]) -> st.SearchStrategy[Any]:
    """Valid objects of one table."""
    parts = {}
    for field in schema.fields:
        strategy = values_of(field.kind)
        if schema.what == "Hello" and field.key < 2:
            strategy = st.just(1) if field.key == 0 else st.just(())
        parts[field.name] = strategy if field.default is NEEDED else st.one_of(st.just(field.default), strategy)
    return st.fixed_dictionaries(parts).map(lambda values: schema.make(**values))
