from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.protocol import names
from swarm.protocol.names import Reference, parse_reference

HEX = "ab" * 32


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("tiles", Reference("tiles")),
        ("@maps/tiles", Reference("@maps/tiles")),
        ("tiles:latest", Reference("tiles", "latest")),
        ("@maps/tiles:1.2.3", Reference("@maps/tiles", "1.2.3")),
        ("tiles:1.x", Reference("tiles", "1.x")),
        ("tiles:1.4.x", Reference("tiles", "1.4.x")),
        ("tiles:^1.4", Reference("tiles", "^1.4")),
        ("tiles:~1.4.2", Reference("tiles", "~1.4.2")),
        (f"tiles@{HEX}", Reference("tiles", version=bytes.fromhex(HEX))),  # type: ignore[arg-type]
        (f"@maps/tiles@{HEX.upper()}", Reference("@maps/tiles", version=bytes.fromhex(HEX))),  # type: ignore[arg-type]
        ("tiles@abcdef12", Reference("tiles", digest_prefix="abcdef12")),
        ("0-a.b_c", Reference("0-a.b_c")),
    ],
)
def test_references_are_read(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("Tiles", "try 'tiles'"),
        ("my tiles", "try 'my-tiles'"),
        ("@Maps/Tiles v2", "try '@maps/tiles-v2'"),
        ("maps/tiles", "try 'maps-tiles'"),
        ("_tiles_", "try 'tiles'"),
        ("tiles:V1", "try 'v1'"),
        ("ÄÖ", "choose another"),
        ("", "choose another"),
        ("@maps/", "try 'maps'"),
        ("x" * 129, f"try '{'x' * 128}'"),
    ],
)
def test_an_error_names_the_nearest_legal_name(text: str, suggestion: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert caught.value.hint.startswith(suggestion)


@pytest.mark.parametrize(
    "text", ["tiles:", "tiles@", "tiles@xyz", "tiles@abc", f"tiles@{HEX}0", "a:b:c", "@a@b", "a\n"]
)
def test_other_references_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_reference(text)


@pytest.mark.parametrize("tag", ["1.x", "12.34.x", "^1", "~2.3"])
def test_ranges_are_queries_and_never_tags(tag: str) -> None:
    assert names.is_query(tag)
    assert not names.is_tag(tag)
    with pytest.raises(UsageError, match="range"):
        names.check_tag(tag)


@pytest.mark.parametrize("tag", ["1.2.3.x", "x", "v1.x", "1.x.2", "latest", "1.2.3-x"])
def test_other_tags_with_an_x_are_tags(tag: str) -> None:
    assert names.check_tag(tag) == tag


@given(st.text(max_size=300))
def test_any_text_is_a_reference_or_a_usage_error_whose_suggestion_is_legal(text: str) -> None:
    for legal in (names.legal_name(text), names.legal_part(text)):
        assert not legal or names.is_name(legal)
    try:
        reference = parse_reference(text)
    except UsageError:
        return
    assert names.is_name(reference.name)
    assert str(reference) == text or reference.version or reference.digest_prefix


def test_nearest_finds_what_was_meant() -> None:
    assert names.nearest("tile", ["@maps/tiles", "weights", "tiles"])[0] == "tiles"
    assert names.nearest("zzz", ["tiles"]) == ()
