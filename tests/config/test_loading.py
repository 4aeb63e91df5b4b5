"""Options over environment over the file's own table over its top over defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.config.loading import Given, Loaded, find_home, load
from swarm.errors import UsageError


def loaded(
    home: Path, *, command: str = "seed", file: str = "", given: Given | None = None, **environment: str
) -> Loaded:
    (home / "config.toml").write_text(file)
    return load(command, given or {}, {"SWARM_HOME": str(home), **environment}, Path("/srv"))


FILE = """
store = "from-top"
upload-limit = "1MB"
[seed]
store = "from-section"
"""


def test_an_option_stands_above_everything(tmp_path: Path) -> None:
    found = loaded(tmp_path, file=FILE, given={"store": "s3://option"}, SWARM_STORE="s3://variable")
    assert found["store"] == "s3://option"
    assert found.values["store"].source == "--store"


def test_the_environment_stands_above_the_file(tmp_path: Path) -> None:
    found = loaded(tmp_path, file=FILE, SWARM_STORE="s3://variable")
    assert found["store"] == "s3://variable"
    assert found.values["store"].source == "SWARM_STORE"


def test_a_commands_table_stands_above_the_top(tmp_path: Path) -> None:
    found = loaded(tmp_path, file=FILE)
    assert found["store"] == str(tmp_path / "from-section")
    assert found.values["store"].source == f"{tmp_path / 'config.toml'} [seed]"
    other = loaded(tmp_path, file=FILE, command="fetch")
    assert other["store"] == str(tmp_path / "from-top")
    assert other.values["store"].source == str(tmp_path / "config.toml")


def test_defaults_come_last(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found["store"] is None
    assert found["lan"] is True
    assert found["tracker"] == ()
    assert not found.is_given("lan")


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path, file=FILE, SWARM_STORE="")["store"] == str(tmp_path / "from-section")


def test_paths_start_where_they_are_written(tmp_path: Path) -> None:
    assert loaded(tmp_path, given={"store": "here"})["store"] == "/srv/here"
    assert loaded(tmp_path, SWARM_STORE="here")["store"] == "/srv/here"
    assert loaded(tmp_path, file='store = "here"')["store"] == str(tmp_path / "here")


def test_switches_can_be_turned_off_above(tmp_path: Path) -> None:
    assert loaded(tmp_path, file="lan = false")["lan"] is False
    assert loaded(tmp_path, file="open = true", given={"open": None})["open"] is True
    assert loaded(tmp_path, given={"lan": False})["lan"] is False


def test_lists_are_replaced_and_variables_may_hold_several(tmp_path: Path) -> None:
    file = 'tracker = ["http://a:1", "http://b:1"]'
    assert loaded(tmp_path, file=file)["tracker"] == ("http://a:1", "http://b:1")
    assert loaded(tmp_path, file=file, SWARM_TRACKER="c, d:2")["tracker"] == ("http://c:4180", "http://d:2")
    assert loaded(tmp_path, file=file, given={"tracker": ["e"]}, SWARM_TRACKER="c")["tracker"] == ("http://e:4180",)


def test_limits(tmp_path: Path) -> None:
    found = loaded(tmp_path, file=FILE, given={"download-limit": "100Mbit", "origin-limit": "none"})
    assert found["upload-limit"] == 1_000_000
    assert found["download-limit"] == 12_500_000
    assert found["origin-limit"] is None
    assert found.is_given("origin-limit")


@pytest.mark.parametrize(
    ("file", "given", "environment", "place"),
    [
        ("", {"upload-limit": "fast"}, {}, "--upload-limit: "),
        ("", {}, {"SWARM_TRACKER": "ftp://x"}, "tracker (from SWARM_TRACKER): "),
        ('upload-limit = "fast"', {}, {}, "config.toml): "),
        ('[seed]\nmtime = "soon"', {}, {}, "config.toml [seed]): "),
    ],
)
def test_a_wrong_value_says_where_it_stands(
    tmp_path: Path, file: str, given: Given, environment: dict[str, str], place: str
) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, file=file, given=given, **environment)
    assert place in caught.value.message
    assert caught.value.hint


def test_a_wrong_value_below_a_right_one_is_not_even_read(tmp_path: Path) -> None:
    assert loaded(tmp_path, file='upload-limit = "fast"', given={"upload-limit": "1MB"})["upload-limit"] == 1_000_000


def test_source_date_epoch_stands_in_for_mtime(tmp_path: Path) -> None:
    found = loaded(tmp_path, SOURCE_DATE_EPOCH="1767225600")
    assert found["mtime"].fixed_ns == 1767225600 * 10**9
    assert "mtime" not in load("fetch", {}, {"SWARM_HOME": str(tmp_path)}, Path("/srv")).values


def test_home() -> None:
    directory = Path("/srv")
    assert find_home({"SWARM_HOME": "/x"}, directory) == (Path("/x"), "SWARM_HOME")
    assert find_home({"SWARM_HOME": "x"}, directory) == (Path("/srv/x"), "SWARM_HOME")
    assert find_home({}, directory) == (Path.home() / ".swarm", "default")
