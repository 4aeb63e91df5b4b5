"""`swarm demo`: publish, fetch on several agents, compare, change, fetch again; all of it on this machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from swarm.errors import NotFoundError, UsageError, VerificationError

NAME = "demo"
AGENTS_DEFAULT = 4
AGENTS_MAX = 64
"""Each is a Python process of some 60 MB."""


def register() -> CommandParser:
    """The parser of `swarm demo`."""
    parser = make_parser(
        "swarm demo",
        "Runs the main job on this machine with real processes on loopback: a seeder with a directory store publishes\n"
        "a tree, several agents fetch it from each other, every copy is compared with diff -r; then a changed version\n"
        "is published and fetched. Your own configuration is neither read nor touched.",
        examples=("swarm demo", "swarm demo --agents 8 --path ./places", "swarm demo --keep"),
        codes=(
            ExitCode.NOT_FOUND,
            ExitCode.UNREACHABLE,
            ExitCode.NO_ROOM,
            ExitCode.NOT_VERIFIED,
            ExitCode.INTERRUPTED,
            ExitCode.TERMINATED,
        ),
    )
    parser.add_argument(
        "--agents", type=int, default=AGENTS_DEFAULT, metavar="N", help=f"how many fetch (default {AGENTS_DEFAULT})"
    )
    parser.add_argument("--path", metavar="DIR", help="the tree to publish, copied first (default: Python's library)")
    parser.add_argument("--keep", action="store_true", help="leave the directories and logs to be looked at")
    add_settings(parser, "demo")
    return parser


def run(call: Call) -> int:
    """Plays the two acts, and cleans up."""
    options = call.options
    if not 1 <= options.agents <= AGENTS_MAX:
        raise UsageError(f"--agents {options.agents} is not possible", hint=f"from 1 to {AGENTS_MAX}")
    place = Path(tempfile.mkdtemp(prefix="swarm-demo-"))
    try:
        _Demo(call, place).play()
    finally:
        if options.keep:
            call.screen.say(f"everything is kept in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    return ExitCode.DONE


class _Demo:
    """One run, below `place`."""

    def __init__(self, call: Call, place: Path) -> None:
        self._call = call
        self._place = place
        self._store = str(place / "store")
        self._started = time.monotonic()

    def play(self) -> None:
        from cli.demo.data import change_tree, copy_tree, default_tree  # noqa: PLC0415
        from cli.demo.stage import Stage  # noqa: PLC0415

        options = self._call.options
        source = (self._call.directory / options.path) if options.path else default_tree()
        first, second = self._place / "data-1", self._place / "data-2"
        self._say(f"copying {source}")
        total = copy_tree(source, first)
        with Stage(self._place, self._call.environment) as stage:
            self._stage = stage
            published = self._publish("seeder", "1.0.0", first, ())
            self._tracker = ("--tracker", published["http"], "--publisher", published["publisher"])
            one = self._fetch("1.0.0", first)
            for sentence in change_tree(first, second).sentences:
                self._say(sentence)
            key = str(stage.home("seeder") / "publisher.key")
            self._publish("seeder-2", "1.1.0", second, ("--tracker", published["http"], "--key", key))
            two = self._fetch("1.1.0", second)
        seconds = time.monotonic() - self._started
        fields = {"seconds": seconds, "bytes": total, "agents": options.agents, "origin_copies": [one, two]}
        self._call.screen.result("demo", fields, f"done in {seconds:.0f} s: every copy is the same as its original")

    def _publish(self, name: str, tag: str, tree: Path, words: tuple[str, ...]) -> dict[str, Any]:
        from cli.demo.stage import LOOPBACK, wait_for  # noqa: PLC0415

        http = () if words else ("--http", "127.0.0.1:0")
        dataset = f"{NAME}:{tag}"
        self._say(f"\n$ swarm seed {tree.name} {dataset} --store store")
        words = ("seed", str(tree), dataset, "--store", self._store, *LOOPBACK, *http, *words)
        seeder = self._stage.start(name, tag, *words)
        ready = wait_for(seeder, "ready")
        published = wait_for(seeder, "published")
        self._say(
            f"published {dataset}: {published['files']:,} files, {published['bytes']:,} bytes, "
            f"{published['bytes_new']:,} of them new to the store"
        )
        return {**published, "http": ready["http"]}

    def _fetch(self, tag: str, original: Path) -> float | None:
        from cli.demo.account import origin_line, origin_share, table  # noqa: PLC0415
        from cli.demo.stage import LOOPBACK, receipts_of  # noqa: PLC0415

        names = [f"agent-{number}" for number in range(1, self._call.options.agents + 1)]
        self._say(f"$ swarm fetch {NAME}:{tag}   (on {len(names)} agents at once)")
        words = (*self._tracker, *LOOPBACK)
        agents = [
            self._stage.start(name, tag, "fetch", f"{NAME}:{tag}", str(self._place / name / "data"), *words)
            for name in names
        ]
        receipts = receipts_of(agents)
        for name, receipt in zip(names, receipts, strict=True):
            self._compare(original, self._place / name / "data")
            self._call.screen.result("receipt", {**receipt, "agent": name}, "")
        for line in (*table(receipts), origin_line(receipts), f"diff -r: all {len(names)} copies are identical"):
            self._say(line)
        return origin_share(receipts)

    def _compare(self, original: Path, copy: Path) -> None:
        diff = shutil.which("diff")
        if diff is None:
            raise NotFoundError("there is no program diff to compare the copies with", hint="install diffutils")
        found = subprocess.run(  # noqa: S603  # two directories that we made
            [diff, "-r", "--no-dereference", str(original), str(copy)], capture_output=True, check=False
        )
        if found.returncode != 0:
            shown = found.stdout.decode(errors="backslashreplace").splitlines()[:5]
            raise VerificationError(f"{copy} is not the same as {original}:\n" + "\n".join(shown), hint="use --keep")

    def _say(self, text: str) -> None:
        for line in text.split("\n"):
            self._call.screen.say(line)
