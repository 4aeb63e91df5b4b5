"""The parser of one command: argparse, with our errors, examples and exit codes in every help text."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import NoReturn

from cli.exit_codes import ExitCode, table
from swarm.config.nearest import did_you_mean
from swarm.config.settings import COMMON, Setting, known_to
from swarm.errors import UsageError

ALWAYS = (ExitCode.DONE, ExitCode.INTERNAL, ExitCode.USAGE)
"""Codes that every command can end with."""

_MISSING = re.compile(r"the following arguments are required: (.*)")
_BARE = re.compile(r"argument (\S+): expected one argument")
"""What argparse says of an option at the end, or before another option."""

SCREEN_DESTINATIONS = ("json", "quiet", "verbose", "color")


class CommandParser(argparse.ArgumentParser):
    """Raises UsageError instead of exiting, with the nearest option where one is misspelt."""

    def error(self, message: str) -> NoReturn:
        """What argparse calls; `message` is its own sentence."""
        bare = _BARE.match(message)
        if bare is not None:
            option = bare[1].rpartition("/")[2]
            raise UsageError(
                f"{option} needs a value", hint=f"write {option} {self._metavar(option)}; see {self.prog} --help"
            )
        found = _MISSING.match(message)
        if found is None:
            raise UsageError(message, hint=f"see {self.prog} --help")
        if self.children():
            actions = ", ".join(child.prog.rpartition(" ")[2] for child in self.children())
            raise UsageError(f"{self.prog} needs to know what to do: {actions}", hint=f"see {self.prog} --help")
        raise UsageError(f"{self.name} needs {found[1].replace(', ', ' and ')}", hint=f"see {self.prog} --help")

    def parse_command(self, arguments: list[str]) -> argparse.Namespace:
        """Parses all of `arguments`, intermixed options too. Raises UsageError."""
        # argparse cannot do both: words among options, and sub-commands.
        parse = self.parse_known_args if self.children() else self.parse_known_intermixed_args
        found, rest = parse(arguments)
        if rest:
            raise self._unexpected(rest[0])
        return found

    @property
    def name(self) -> str:
        """`fetch`, `key new`."""
        return self.prog.removeprefix("swarm ")

    def options(self) -> set[str]:
        """Every option string, those of sub-commands included."""
        found = {one for action in self._actions for one in action.option_strings}
        for child in self.children():
            found |= child.options()
        return found

    def children(self) -> list[CommandParser]:
        """The parsers of sub-commands."""
        groups = [action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return [child for choices in groups for child in choices.values()]

    def _metavar(self, option: str) -> str:
        found = next((one for one in self._actions if option in one.option_strings), None)
        return str(found.metavar) if found is not None and found.metavar else "VALUE"

    def _unexpected(self, word: str) -> UsageError:
        name = word.partition("=")[0]
        if not word.startswith("-"):
            return UsageError(f"{self.name} does not expect {word!r}", hint=f"see {self.prog} --help")
        hint = did_you_mean(name, self.options())
        return UsageError(f"{self.name} has no option {name}", hint=hint or f"see {self.prog} --help")


def make_parser(
    prog: str, description: str, *, examples: Iterable[str], codes: Iterable[ExitCode] = (), note: str = ""
) -> CommandParser:
    """A parser whose help has a description, examples and its exit codes; `codes` come on top of 0, 1, 2."""
    return CommandParser(
        prog=prog, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description=description, epilog=epilog(examples, codes, note),
    )  # fmt: skip


def epilog(examples: Iterable[str], codes: Iterable[ExitCode], note: str = "") -> str:
    """The end of a help text: a note, examples, exit codes."""
    wanted = sorted({*ALWAYS, *codes})
    shown = "\n".join(f"  {example}" for example in examples)
    more = f"{note}\n\n" if note else ""
    return f"{more}examples:\n{shown}\n\nexit codes:\n{table(tuple(wanted))}"


def add_subcommands(parser: CommandParser) -> argparse._SubParsersAction[CommandParser]:
    """For `swarm key new` and the like: one of them must be given."""
    return parser.add_subparsers(
        dest="action", required=True, metavar="ACTION", parser_class=CommandParser, help="what to do"
    )


def add_subcommand(
    group: argparse._SubParsersAction[CommandParser],
    name: str,
    description: str,
    *,
    examples: Iterable[str],
    codes: Iterable[ExitCode] = (),
) -> CommandParser:
    """One of the sub-commands, with a help text like a command's."""
    return group.add_parser(
        name, help=description.partition(".")[0], allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=description, epilog=epilog(examples, codes),
    )  # fmt: skip


def add_settings(parser: CommandParser, command: str, *, own: bool = True, shows: Iterable[str] = ()) -> None:
    """The options of the settings that `command` knows.

    Common ones are accepted by every command, so that a script can pass them everywhere, but shown only where they do
    something: `shows` names those.
    """
    shown = set(shows)
    for setting in known_to(command) if own else ():
        if setting not in COMMON:
            _add(parser, setting, is_hidden=False)
    group = parser.add_argument_group("common options")
    for setting in COMMON:
        if not setting.commands or command in setting.commands:
            _add(group, setting, is_hidden=setting.name not in shown)
    add_screen_options(group)


def add_screen_options(group: argparse._ActionsContainer) -> None:
    """`--json`, `-q`, `-v`, `--color`."""
    group.add_argument("--json", action="store_true", help="print JSON, one object a line")
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="print errors, warnings and results only")
    loudness.add_argument("-v", "--verbose", action="store_true", help="print details, and where a defect happened")
    group.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", metavar="WHEN", help="auto, always or never"
    )


def given_settings(found: argparse.Namespace) -> dict[str, str | list[str] | bool | None]:
    """What was typed, by setting name: the form that `swarm.config.loading.load` takes."""
    return {name.replace("_", "-"): value for name, value in vars(found).items() if name not in SCREEN_DESTINATIONS}


def _add(parser: argparse._ActionsContainer, setting: Setting, *, is_hidden: bool) -> None:
    text = argparse.SUPPRESS if is_hidden else setting.text.replace("%", "%%")
    destination = setting.name.replace("-", "_")
    if setting.parse is None:
        constant = setting.default is not True
        parser.add_argument(
            setting.option, dest=destination, action="store_const", const=constant, default=None,
            help=text if is_hidden or constant else f"do not {setting.text}",
        )  # fmt: skip
    else:
        action = "append" if setting.is_list else "store"
        parser.add_argument(
            setting.option, dest=destination, action=action, default=None, metavar=setting.metavar, help=text
        )
