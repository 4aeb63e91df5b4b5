"""`swarm`: finds the command, imports its module, runs it, and turns whatever happens into an exit code.

The front page is plain text and the commands are imported one at a time, so that `swarm --help` costs little more than
starting Python.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from cli.commands import COMMANDS
from cli.cycles import look_seldom
from cli.exit_codes import MEANINGS, ExitCode, table
from cli.failures import Failure, Interrupted, failure_of, telling
from cli.interruption import Interruption, leave_at_once
from cli.ui.screen import Look, Screen, make_screen
from swarm.config.nearest import did_you_mean
from swarm.errors import UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name) and returns its exit code."""
    if arguments is None:
        look_seldom()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _front(words)
    except BrokenPipeError:
        return _reader_left()
    except (Interrupted, KeyboardInterrupt) as error:
        return error.exit_code if isinstance(error, Interrupted) else ExitCode.INTERRUPTED
    except Exception as error:  # the outermost edge: a user never sees a bare traceback
        # A command's own options are not known yet: the words themselves say how to answer.
        failure = failure_of(error)
        make_screen(Look.guessed(words)).fail(failure)
        return failure.exit_code


def front_page() -> str:
    """What `swarm --help` prints."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return f"""\
usage: swarm COMMAND [OPTION…] [WORD…]

Replicates datasets between S3 and fleets of machines: every byte leaves the origin once, the
machines pass it among themselves, verified and encrypted.

commands:
{commands}

  swarm COMMAND --help    its options, examples and exit codes
  swarm --version         which version this is

examples:
  swarm seed ./places @maps/places:1.0.0       publish a directory, and be its tracker
  swarm fetch @maps/places ./places            fetch the newest version (the line that seed prints)
  swarm demo                                   see it work on this machine, in under a minute

environment: SWARM_HOME (keys, pins, index; else ~/.swarm), SWARM_STORE, SWARM_TRACKER, SWARM_SECRET,
SWARM_KEY; SWARM_DEBUG=1 shows where a defect happened. A file $SWARM_HOME/config.toml holds defaults.

exit codes:
{table(tuple(MEANINGS))}
"""


def load_command(name: str) -> ModuleType:
    """The module of a command: `register(name) -> CommandParser` and `run(call) -> int`."""
    import importlib  # noqa: PLC0415  # already loaded by Python itself
    import keyword  # noqa: PLC0415

    return importlib.import_module(f"cli.commands.{name}{'_' if keyword.iskeyword(name) else ''}")


def _front(words: list[str]) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    if not words or words[0] in ("-h", "--help"):
        print(front_page(), end="", flush=True)
        return ExitCode.DONE if words else ExitCode.USAGE
    if words[0] == "--version":
        import swarm  # noqa: PLC0415

        print(f"swarm {swarm.__version__}", flush=True)
        return ExitCode.DONE
    if words[0] not in COMMANDS:
        raise _no_command(words)
    return _run(words[0], words[1:])


def _run(name: str, words: list[str]) -> int:
    from cli.call import Call  # noqa: PLC0415  # argparse and the settings, 15 ms that the front page saves

    module = load_command(name)
    try:
        options = module.register().parse_command(words)
    except SystemExit as end:  # argparse's --help
        sys.stdout.flush()
        return int(end.code or 0)
    look = Look(options.json, options.quiet, options.verbose, options.color)
    screen, interruption = make_screen(look), Interruption()
    with interruption.installed():
        call = Call(name, tuple(words), options, os.environ, _directory(), look, screen, interruption)
        return _answer(module, call, screen)


def _directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the current directory is gone", hint="change to one that is there") from None


def _answer(module: ModuleType, call: object, screen: Screen) -> int:
    try:
        return int(module.run(call))
    except BaseException as error:  # the program's outermost edge: everything becomes an exit code here
        found = telling(error)
        if isinstance(found, BrokenPipeError):
            return _reader_left()
        if isinstance(found, Interrupted | KeyboardInterrupt):
            return _interrupted(found, call, screen)
        if isinstance(found, SystemExit):
            raise
        failure = failure_of(error)
        screen.fail(failure)
        return failure.exit_code
    finally:
        screen.close()


def _interrupted(error: Interrupted | KeyboardInterrupt, call: object, screen: Screen) -> int:
    from cli.call import Call  # noqa: PLC0415

    assert isinstance(call, Call)
    if screen.has_receipt:
        return ExitCode.DONE  # the data is there and said so; only the lingering was cut short
    code = error.exit_code if isinstance(error, Interrupted) else ExitCode.INTERRUPTED
    screen.fail(Failure(MEANINGS[code].partition(" (")[0], f"to go on: {call.again()}", code))
    return code


def _no_command(words: list[str]) -> UsageError:
    if words[0].startswith("-"):
        command = next((word for word in words if word in COMMANDS), "COMMAND")
        return UsageError(f"{words[0]} stands before the command", hint=f"write: swarm {command} {words[0]} …")
    hint = did_you_mean(words[0], COMMANDS)
    return UsageError(f"there is no command {words[0]!r}", hint=hint or "swarm --help lists them")


def _reader_left() -> int:
    """`swarm … | head`: the reader has what it wanted. Python would complain again while it flushes at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        leave_at_once(ExitCode.DONE)
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
