"""`swarm config show`: every setting, its value, and where it comes from."""

from __future__ import annotations

from typing import Any

from cli.call import MASK, Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, add_subcommand, add_subcommands, make_parser
from swarm.config.loading import Loaded, Value
from swarm.config.quantities import show_duration, show_rate
from swarm.config.settings import BY_NAME, SECTIONS
from swarm.config.values import show_block_size

_DEFAULTS = {
    ("fetch", "linger"): "auto",
    ("serve", "linger"): "forever",
    ("seed", "mtime"): "keep",
    ("seed", "links"): "keep",
    ("seed", "block-size"): "auto",
    ("tracker", "origin-budget"): "1",
    ("tracker", "origin-budget-fails"): "open",
}
"""What a setting is, where its default is made elsewhere."""

_EXAMPLES = ("swarm config show", "swarm config show --for seed --json")


def register() -> CommandParser:
    """The parser of `swarm config`."""
    parser = make_parser("swarm config", "Says what the configuration amounts to.", examples=_EXAMPLES)
    show = add_subcommand(
        add_subcommands(parser),
        "show",
        "Shows every setting and where its value comes from. Options stand above the environment, that above\n"
        "$SWARM_HOME/config.toml, that above defaults. Secrets are masked.",
        examples=_EXAMPLES,
    )
    show.add_argument(
        "--for", dest="for_command", choices=SECTIONS, metavar="COMMAND",
        help="the settings of seed, fetch, tracker or serve, with its own table of the file",
    )  # fmt: skip
    add_settings(show, "config")
    return parser


def run(call: Call) -> int:
    """Prints a line (or an object) a setting."""
    from cli.parser import given_settings  # noqa: PLC0415
    from swarm.config.loading import load  # noqa: PLC0415

    command = call.options.for_command or "config"
    loaded = load(command, given_settings(call.options), call.environment, call.directory)
    rows = [("home", str(loaded.home), str(loaded.home), loaded.home_source)]
    rows += [(name, *_shown(command, name, value), value.source) for name, value in _settings(loaded)]
    width, column = max(len(row[0]) for row in rows), max(len(row[2]) for row in rows)
    for name, value, text, source in rows:
        line = f"{name:<{width}}  {text:<{column}}  {source}"
        call.screen.result("setting", {"name": name, "value": value, "source": source}, line)
    for name, pin in loaded.file.trust.items():
        fields = {"name": name, "publisher": pin.publisher, "realm": pin.realm and pin.realm.hex()}
        call.screen.result("pin", fields, f"trust {name}  {pin.publisher}  {loaded.file.path}")
    return ExitCode.DONE


def _settings(loaded: Loaded) -> list[tuple[str, Value]]:
    return [(name, value) for name, value in loaded.values.items() if BY_NAME[name].in_file]


def _shown(command: str, name: str, value: Value) -> tuple[Any, str]:
    """For JSON and for people."""
    if value.value is None and not value.texts:
        return None, _DEFAULTS.get((command, name), "-")
    if BY_NAME[name].is_secret or (name == "key" and isinstance(value.value, str)):
        return MASK, MASK
    if isinstance(value.value, bool):
        return value.value, "yes" if value.value else "no"
    if isinstance(value.value, tuple):
        texts = [str(one) for one in value.value] if name != "sites" else list(value.texts)
        return texts, " ".join(texts) or "-"
    return _plain(value), _worded(name, value)


def _plain(value: Value) -> Any:
    return value.value if isinstance(value.value, int | float | str) or value.value is None else " ".join(value.texts)


def _worded(name: str, value: Value) -> str:
    found = value.value
    if name.endswith("-limit"):
        return "none" if found is None else show_rate(found)
    if name == "linger":
        return "auto" if found is None else show_duration(found)
    if name == "block-size":
        return show_block_size(found)
    return found or "-" if isinstance(found, str) else " ".join(value.texts) or str(found)
