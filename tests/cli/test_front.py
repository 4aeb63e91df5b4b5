"""The front page, every command's help, and what the first words can be wrong in."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import swarm
from cli.commands import COMMANDS
from cli.exit_codes import MEANINGS
from cli.main import load_command
from cli.parser import CommandParser
from tests.cli.conftest import Run


def parsers() -> list[CommandParser]:
    found = [load_command(name).register() for name in COMMANDS]
    return found + [child for parser in found for child in parser.children()]


PARSERS = {parser.name: parser for parser in parsers()}


def test_the_front_page_lists_commands_and_exit_codes(run: Run) -> None:
    ended = run("--help")
    assert ended.code == 0
    assert ended.err == ""
    for name, text in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(text)}$", ended.out, re.MULTILINE)
    for code, meaning in MEANINGS.items():
        assert re.search(rf"^ +{int(code)}  {re.escape(meaning)}$", ended.out, re.MULTILINE)
    assert max(map(len, ended.out.splitlines())) <= 110


def test_no_words_show_the_front_page_and_are_a_usage_error(run: Run) -> None:
    ended = run()
    assert ended.code == 2
    assert ended.out == run("--help").out


def test_help_before_or_after(run: Run) -> None:
    assert run("help").out == run("--help").out
    assert run("help", "fetch").out == run("fetch", "--help").out == run("fetch", "-h").out


def test_version(run: Run) -> None:
    assert run("--version").out == f"swarm {swarm.__version__}\n"


@pytest.mark.parametrize("name", PARSERS)
def test_every_help_has_a_description_an_example_and_exit_codes(run: Run, name: str) -> None:
    ended = run(*name.split(), "--help")
    assert ended.code == 0
    assert ended.err == ""
    assert f"usage: swarm {name}" in ended.out
    assert re.search(rf"examples:\n  swarm {name.split(maxsplit=1)[0]}", ended.out)
    assert re.search(r"exit codes:\n +0  done\n", ended.out)
    assert len(PARSERS[name].description or "") > 30
    assert max(map(len, ended.out.splitlines())) <= 120


@pytest.mark.parametrize("name", PARSERS)
def test_every_option_says_what_it_does(name: str) -> None:
    for action in PARSERS[name]._actions:
        assert action.help, (name, action.dest)


@pytest.mark.parametrize("name", PARSERS)
def test_examples_parse(name: str) -> None:
    examples = re.findall(r"^  (swarm .*)$", (PARSERS[name].epilog or "").partition("exit codes:")[0], re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" | ")[0])[1:]
        load_command(words[0]).register().parse_command(words[1:])


@pytest.mark.parametrize("name", [name for name, parser in PARSERS.items() if not parser.children()])
def test_every_command_takes_the_common_options(name: str) -> None:
    common = {
        "--json",
        "-q",
        "-v",
        "--color",
        "--upload-limit",
        "--download-limit",
        "--origin-limit",
        "--secret",
        "--no-lan",
    }
    assert common <= PARSERS[name].options()


def test_an_unknown_command_names_the_nearest(run: Run) -> None:
    ended = run("fecth", "places")
    assert ended.code == 2
    assert "'fecth'" in ended.err
    assert "did you mean 'fetch'?" in ended.err


def test_an_option_before_the_command_is_explained(run: Run) -> None:
    ended = run("--json", "fetch", "places")
    assert ended.code == 2
    assert "swarm fetch --json" in ended.err
    assert ended.objects[-1]["event"] == "error"


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (("fetch",), "fetch needs NAME[:TAG]|NAME@DIGEST", "swarm fetch --help"),
        (("fetch", "a", "b", "c"), "does not expect 'c'", "--help"),
        (("fetch", "a", "--trakcer", "x"), "no option --trakcer", "--tracker"),
        (("fetch", "a", "--track", "x"), "no option --track", "--tracker"),
        (("fetch", "a", "-q", "-v"), "not allowed with", "--help"),
        (("fetch", "a", "--color", "pink"), "invalid choice", "--help"),
        (("fetch", "a", "--upload-limit", "10Mb"), "--upload-limit: '10Mb' could mean bytes or bits", "10MB"),
        (("fetch", "a", "--upload-limit", "0"), "--upload-limit: a rate of '0'", "10MB"),
        (("fetch", "a", "--download-limit", "-5"), "--download-limit: '-5' is not a rate", "10MB"),
        (("fetch", "a", "--origin-limit", "abc"), "--origin-limit: 'abc' is not a rate", "10MB"),
        (("fetch", "a", "--origin-limit"), "--origin-limit needs a value", "write --origin-limit RATE"),
        (("seed", ".", "a", "-t", "--once"), "--tag needs a value", "write --tag NAME:TAG"),
        (("fetch", "a", "--listen", "nowhere"), "--listen: 'nowhere'", "IP:PORT"),
        (("fetch", "Bad Name"), "'Bad Name' is not a dataset's name", "bad-name"),
        (("fetch", "a@123"), "not a digest", "64 hex"),
        (("fetch", "@maps/a:^stable"), "'^stable' is not a range of releases", "^1.4"),
        (("inspect", "a:~1.4.0.1"), "'~1.4.0.1' is not a range of releases", "~1.4"),
        (("cat", "a:^01.4/README.md"), "'^01.4' is not a range of releases", "1.4.x"),
        (("seed", ".", "a:1.x"), "'1.x' asks for a range and cannot be a tag", "stable"),
        (("follow", "a"), "follow needs DEST", "swarm follow --help"),
        (("gc",), "gc needs to know which store", "--store"),
        (("gc", "--store", "s", "--keep-last", "few"), "--keep-last 'few' is no number", "--keep-last 3"),
        (("gc", "--store", "s", "--keep-last", "0"), "at least what tags mean now", "--keep-last 1"),
        (("fetch", "a", "--linger", "long"), "--linger: 'long' is not a duration", "30s"),
        (("fetch", "a", "--background", "--dry-run"), "exclude each other", "leave"),
        (("fetch", "a", "--in-place", "--atomic"), "exclude each other", "leave"),
        (("fetch", "a", "--secret", "short"), "--secret: the secret has 5 bytes", "openssl"),
        (("seed",), "PATH and NAME are needed", "swarm seed ./places"),
        (("seed", ".", "a", "--once"), "--once needs a store", "--store"),
        (("seed", "--from-store", "a"), "--from-store needs a store", "--store"),
        (("seed", "p", "--from-store", "a"), "takes no PATH", "--from-store NAME"),
        (("seed", "--from-store", "a", "-t", "a:b", "--store", "s"), "nothing to tag", "-t"),
        (("seed", "--from-store", "a", "--dry-run", "--store", "s"), "--dry-run has no meaning", "leave --dry-run out"),
        (("seed", "--from-store", "a", "--once", "--store", "s"), "--once has no meaning", "leave --once out"),
        (("seed", "--from-store", "a", "--no-latest", "--store", "s"), "--no-latest has no meaning", "leave"),
        (("seed", "--from-store", "a", "--include", "*", "--store", "s"), "--include has no meaning", "leave"),
        (("seed", ".", "a", "--block-size", "1MB"), "--block-size", "1MiB"),
        (("seed", ".", "a", "--mtime", "now"), "--mtime: 'now' is not a time", "keep, none"),
        (("seed", ".", "a", "--realm", "xyz"), "--realm: 'xyz' is not a realm", "32 hex"),
        (("tracker", "--listen", "8.8.8.8:4001"), "--listen 8.8.8.8:4001 is a public address", "--open"),
        (("tracker", "--http", "8.8.8.8:80"), "--http 8.8.8.8:80 is a public address", "--secret"),
        (("tracker", "--origin-budget", "0"), "--origin-budget: '0'", "1/site"),
        (("tracker", "--sites", "missing"), "--sites: the sites file", "check the path"),
        (("key",), "swarm key needs to know what to do: new, show, add, remove", "swarm key --help"),
        (("key", "add", "a", "ed25519:x"), "not a fingerprint", "swarm key show"),
        (("key", "show", "a"), "none was named", "--store"),
        (("trust", "a", "ed25519:x"), "not a fingerprint", "swarm key show"),
        (("trust", "a", "--realm", "00"), "needs the fingerprint", "swarm trust NAME"),
        (("trust", "--remove"), "--remove takes a NAME", "swarm trust NAME --remove"),
        (("key", "add", "a"), "key add needs FINGERPRINT", "swarm key add --help"),
        (("config",), "swarm config needs to know what to do: show", "--help"),
        (("config", "show", "--for", "ls"), "invalid choice", "--help"),
        (("demo", "--agents", "0"), "--agents 0", "from 1"),
        (("demo", "--agents", "many"), "invalid int", "--help"),
    ],
)
def test_bad_input_is_exit_2_with_a_hint_and_no_traceback(
    run: Run, words: tuple[str, ...], says: str, hint: str
) -> None:
    ended = run(*words)
    assert ended.code == 2, ended.err
    assert says in ended.err
    assert hint in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    in_json = run(*words, "--json")
    assert in_json.code == 2
    assert in_json.objects[-1] == {
        "event": "error",
        "message": in_json.objects[-1]["message"],
        "hint": in_json.objects[-1]["hint"],
        "exit_code": 2,
    }
    assert says in in_json.objects[-1]["message"]


def test_a_mistake_in_the_file_is_exit_2(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text('uplod-limit = "1MB"')
    ended = run("fetch", "places")
    assert ended.code == 2
    assert "config.toml: there is no setting 'uplod-limit'" in ended.err
    assert "upload-limit" in ended.err
