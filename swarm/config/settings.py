"""Every setting once: its name, how its text is read, its default, what stands in for it.

A setting's name is its option without the dashes, its key in `config.toml`, and (with `_`) its field in a config.
`docs/configuration.md` is tested against this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarm.config.addresses import parse_listen, parse_tracker
from swarm.config.quantities import parse_linger, parse_rate
from swarm.config.values import (
    parse_block_size,
    parse_count,
    parse_fails,
    parse_glob,
    parse_key,
    parse_links,
    parse_mtime,
    parse_origin_budget,
    parse_path,
    parse_positive_duration,
    parse_price,
    parse_realm,
    parse_secret,
    parse_site,
    parse_sites,
    parse_store,
    parse_words,
)

Parser = Callable[[str, Path], Any]

FETCH, SEED, TRACKER, SERVE, FOLLOW = "fetch", "seed", "tracker", "serve", "follow"
SECTIONS = (FETCH, SEED, TRACKER, SERVE, FOLLOW)
"""Commands that may have a table of their own in the file."""

MOVING = (SEED, "tag", "rollback", "untag")
"""Commands that write a tag's record."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`parse` None: a switch. `commands` empty: every command knows it. `in_file` False: an option and nothing else."""

    name: str
    text: str
    parse: Parser | None
    metavar: str = "TEXT"
    default: Any = None
    environment: str | None = None
    is_list: bool = False
    is_number: bool = False
    is_secret: bool = False
    in_file: bool = True
    commands: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """`--listen`; a switch that is on by default has `--no-…`."""
        return f"--no-{self.name}" if self.parse is None and self.default is True else f"--{self.name}"


def _plain(parse: Callable[[str], Any]) -> Parser:
    return lambda text, _: parse(text)


def _word(text: str, _: Path) -> str:
    return text


COMMON = (
    Setting("store", "where the blocks are kept: s3://BUCKET/PREFIX, a directory, an http(s) URL", parse_store,
            "URL", environment="SWARM_STORE"),
    Setting("tracker", "whom to ask for peers; may be repeated", _plain(parse_tracker), "ADDR", (),
            environment="SWARM_TRACKER", is_list=True),
    Setting("secret", "the words that all machines must know, or @FILE", parse_secret, "WORDS",
            environment="SWARM_SECRET", is_secret=True),
    Setting("key", "the publisher key's file (SWARM_KEY may hold the key itself)", parse_key, "FILE",
            environment="SWARM_KEY"),
    Setting("listen", "where peers may connect; may be repeated", _plain(parse_listen), "IP:PORT", (), is_list=True,
            commands=SECTIONS),
    Setting("open", "listen on public addresses without a secret", None, default=False),
    Setting("lan", "find peers on the local network", None, default=True),
    Setting("site", "the site this machine is in, as eu/fra1", _plain(parse_site), "SITE", ""),
    Setting("upload-limit", "most to give to others", _plain(parse_rate), "RATE"),
    Setting("download-limit", "most to take, from anywhere", _plain(parse_rate), "RATE"),
    Setting("origin-limit", "most to take from the store and from seeders", _plain(parse_rate), "RATE"),
)  # fmt: skip

COMMANDS = (
    Setting("publisher", "the fingerprint of the key to believe", _word, "FINGERPRINT", in_file=False,
            commands=(FETCH, FOLLOW)),
    Setting("exec", "run this when current has changed: words, no shell", _plain(parse_words), "CMD",
            commands=(FOLLOW,)),
    Setting("exec-timeout", "how long that may take before it is ended, and current goes back",
            _plain(parse_positive_duration), "SECONDS", 300.0, commands=(FOLLOW,)),
    Setting("keep", "how many versions stay beside the current one", _plain(parse_count), "N", 1, is_number=True,
            commands=(FOLLOW,)),
    Setting("poll", "how often the store, or whoever can be asked, is asked where no tracker pushes",
            _plain(parse_positive_duration), "SECONDS", 30.0, commands=(FOLLOW,)),
    Setting("retry", "try again what its hook has refused", None, default=False, in_file=False, commands=(FOLLOW,)),
    Setting("linger", "how long to go on giving to others: seconds, auto or forever", _plain(parse_linger), "SECONDS",
            commands=(FETCH, SERVE)),
    Setting("background", "give the prompt back once the data is there, and linger in the background", None,
            default=False, in_file=False, commands=(FETCH,)),
    Setting("price-per-gb", "what 10^9 bytes from the store cost, in any currency, for the receipt",
            _plain(parse_price), "PRICE", environment="SWARM_PRICE_PER_GB", is_number=True, commands=(FETCH,)),
    Setting("repair", "restore files that were edited", None, default=False, in_file=False, commands=(FETCH,)),
    Setting("atomic", "refuse where the new version cannot be put in place in one step", None, default=False,
            commands=(FETCH,)),
    Setting("in-place", "replace changed files one by one, where there is no room for more: not atomic", None,
            default=False, in_file=False, commands=(FETCH,)),
    Setting("include", "only paths that match; may be repeated", _plain(parse_glob), "GLOB", (), is_list=True,
            in_file=False, commands=(FETCH, SEED, FOLLOW)),
    Setting("exclude", "no paths that match; may be repeated", _plain(parse_glob), "GLOB", (), is_list=True,
            in_file=False, commands=(FETCH, SEED, FOLLOW)),
    Setting("dry-run", "say what would be done, and do nothing", None, default=False, in_file=False,
            commands=(FETCH, SEED)),
    Setting("once", "end when it is done, and do not go on", None, default=False, in_file=False,
            commands=(SEED, FOLLOW)),
    Setting("block-size", "the average length of a block, 64KiB to 4MiB", _plain(parse_block_size), "SIZE",
            commands=(SEED,)),
    Setting("rechunk", "change the block size of a dataset that has one", None, default=False, in_file=False,
            commands=(SEED,)),
    Setting("mtime", "which modification times to publish: keep, none or a time", _plain(parse_mtime), "TIME",
            environment="SOURCE_DATE_EPOCH", commands=(SEED,)),
    Setting("links", "symlinks: keep, follow or skip", _plain(parse_links), "WHAT", commands=(SEED,)),
    Setting("skip-special", "leave out FIFOs, sockets and devices", None, default=False, commands=(SEED,)),
    Setting("latest", "let a release move the tag latest", None, default=True, commands=(SEED, "tag")),
    Setting("note", "a sentence about this step, kept in the tag's record", _word, in_file=False, commands=MOVING),
    Setting("label", "a word about the version, kept in the tag's record; may be repeated", _word, "KEY=VALUE", (),
            is_list=True, in_file=False, commands=(SEED, "tag", "rollback")),
    Setting("force", "move or remove a release all the same: who has it already will refuse it", None, default=False,
            in_file=False, commands=MOVING),
    Setting("realm", "begin a lost store anew under its old realm", _plain(parse_realm), "HEX", in_file=False,
            commands=(SEED,)),
    Setting("single-writer", "publish to a store that cannot create atomically", None, default=False,
            commands=(SEED,)),
    Setting("http", "where the tracker answers HTTP; may be repeated", _plain(parse_listen), "IP:PORT", (),
            is_list=True, commands=(SEED, TRACKER)),
    Setting("identity", "the file with this service's own key", parse_path, "FILE", commands=(SEED, TRACKER, SERVE)),
    Setting("origin-budget", "how often a block may leave the origin: 2, 1/site or 50GB",
            _plain(parse_origin_budget), "BUDGET", commands=(TRACKER,)),
    Setting("origin-budget-fails", "open or closed: whether what can be had from nobody is read beyond the"
            " budget, and without a lease while the tracker is away, or is waited for",
            _plain(parse_fails), "WHICH", commands=(TRACKER,)),
    Setting("sites", "a file of lines: NETWORK SITE", parse_sites, "FILE", commands=(TRACKER,)),
)  # fmt: skip

ALL = COMMON + COMMANDS
BY_NAME = {setting.name: setting for setting in ALL}


def known_to(command: str) -> tuple[Setting, ...]:
    """The settings that a command has; a command without settings of its own has the common ones for every command."""
    return tuple(setting for setting in ALL if not setting.commands or command in setting.commands)
