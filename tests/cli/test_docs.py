"""The pages say what the parsers, settings, events and exit codes are."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from cli.commands import COMMANDS
from cli.exit_codes import MEANINGS
from cli.main import load_command
from cli.parser import SCREEN_DESTINATIONS, CommandParser
from swarm.agent import follow_notices, notices
from swarm.config.settings import ALL, COMMON

DOCS = Path(__file__).parents[2] / "docs"
CLI = (DOCS / "cli.md").read_text()
CONFIGURATION = (DOCS / "configuration.md").read_text()
EXIT_CODES = (DOCS / "exit-codes.md").read_text()

SHARED = {
    "-h", "--help", "--json", "-q", "--quiet", "-v", "--verbose", "--color",
    *(setting.option for setting in COMMON),
}  # fmt: skip


def section(name: str) -> str:
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", CLI, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section {name}"
    return found.group(1)


def parsers(name: str) -> list[CommandParser]:
    parser = load_command(name).register()
    return [parser, *parser.children()]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    text = section(f"swarm {name}")
    assert f"swarm {name}" in text
    for parser in parsers(name):
        assert parser.prog in text
        for option in parser.options() - SHARED:
            assert re.search(rf"`{option}[ `]|, `{option}[ `]", text), f"{parser.prog}: {option}"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_documented_that_does_not_exist(name: str) -> None:
    known = set().union(*(parser.options() for parser in parsers(name)))
    others = set().union(*(parser.options() for other in COMMANDS for parser in parsers(other)))
    rows = re.findall(r"^\| (`-.*?) \|", section(f"swarm {name}"), re.MULTILINE)
    for option in re.findall(r"`(--?[a-z-]+)", " ".join(rows)):
        assert option in known, f"swarm {name} has no {option}"
    for option in re.findall(r"`(--[a-z-]+)", section(f"swarm {name}")):
        assert option in others, f"no command has {option}"


def test_common_options_are_documented() -> None:
    text = section("For every command")
    for option in SHARED:
        assert f"`{option}" in text, option


def test_the_table_of_commands_is_whole() -> None:
    assert re.findall(r"^\| \[`(\w+)`\]\(#swarm-\1\)", CLI, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("setting", [setting for setting in ALL if setting.in_file], ids=lambda setting: setting.name)
def test_every_setting_is_documented(setting: object) -> None:
    name = str(getattr(setting, "name", ""))
    row = re.search(rf"^\| `{name}` \| ([^|]+)\|", CONFIGURATION, re.MULTILINE)
    assert row, name
    commands = tuple(getattr(setting, "commands", ()))
    if commands:
        assert {one.strip() for one in row.group(1).split(",")} == set(commands)


def test_settings_without_a_key_are_named() -> None:
    paragraph = re.search(r"have no key in the file: (.*?)\.\n", CONFIGURATION, re.DOTALL)
    assert paragraph
    named = set(re.findall(r"`([a-z-]+)`", paragraph.group(1)))
    assert named == {setting.name for setting in ALL if not setting.in_file}


def test_every_variable_is_documented() -> None:
    variables = {setting.environment for setting in ALL if setting.environment} | {
        "SWARM_HOME",
        "SWARM_DEBUG",
        "NO_COLOR",
    }
    assert variables == set(re.findall(r"^\| `([A-Z_]+)` \|", CONFIGURATION, re.MULTILINE))


def test_the_table_of_exit_codes_is_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+?) \|", EXIT_CODES, re.MULTILINE)
    assert {int(code): text for code, text in rows} == {int(code): text for code, text in MEANINGS.items()}


@pytest.mark.parametrize(
    "kind",
    [notices.Ready, notices.Resolved, notices.Planned, notices.Progress, notices.Waits, notices.Note, notices.Committed,
     notices.Published, follow_notices.Moved, follow_notices.FirstAsked, follow_notices.Flipped,
     follow_notices.HookEnded, follow_notices.Following],
)  # fmt: skip
def test_every_event_and_key_is_documented(kind: type[notices.Notice]) -> None:
    row = re.search(rf"^\| `{kind.event}` \|[^|]*\|(.*)\|$", CLI, re.MULTILINE)
    assert row, kind.event
    assert re.findall(r"`(\w+)`", row.group(1)) == [field.name for field in fields(kind)]


def test_the_receipt_is_documented_key_by_key() -> None:
    table = CLI.partition("The receipt:")[2]
    rows = re.findall(r"^\| (`[^|]*)\|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {field.name for field in fields(notices.Receipt)}


def test_screen_options_are_no_settings() -> None:
    assert not set(SCREEN_DESTINATIONS) & {setting.name for setting in ALL}
