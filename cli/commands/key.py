"""`swarm key`: publisher keys on this machine, and the keys that may sign a name."""

from __future__ import annotations

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, add_subcommand, add_subcommands, make_parser
from swarm.config.building import common_config
from swarm.config.configs import CommonConfig
from swarm.config.loading import Loaded
from swarm.errors import UsageError
from swarm.protocol.names import check_name

_STORE_CODES = (
    ExitCode.NOT_FOUND,
    ExitCode.UNREACHABLE,
    ExitCode.REFUSED,
    ExitCode.NO_ROOM,
    ExitCode.CONFLICT,
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
)


def register() -> CommandParser:
    """The parser of `swarm key`."""
    parser = make_parser(
        "swarm key",
        "A publisher key signs what tags mean. It lives in a file (--key, SWARM_KEY, else $SWARM_HOME/publisher.key)\n"
        "or, for a CI runner, in SWARM_KEY itself.",
        examples=("swarm key new", "swarm key show", "swarm key add @maps/places ed25519:7v5r… --store s3://datasets"),
        codes=_STORE_CODES,
    )
    actions = add_subcommands(parser)
    local = (ExitCode.NOT_FOUND, ExitCode.NO_ROOM)
    new = add_subcommand(
        actions, "new", "Makes a publisher key. The file has mode 0600; an existing one is never overwritten.",
        examples=("swarm key new", "swarm key new --key ./ci.key"), codes=local,
    )  # fmt: skip
    add_settings(new, "key", shows=("key",))
    show = add_subcommand(
        actions, "show", "Shows the fingerprint of the publisher key, or with NAME the keys that may sign it.",
        examples=("swarm key show", "swarm key show @maps/places --store s3://datasets"), codes=_STORE_CODES,
    )  # fmt: skip
    show.add_argument("name", nargs="?", metavar="NAME", help="the keys of this name, from the store")
    add_settings(show, "key", shows=("key", "store"))
    add = add_subcommand(
        actions, "add", "Lets one more key sign a name. Signed by a key that may already.",
        examples=("swarm key add @maps/places ed25519:7v5r… --store s3://datasets",), codes=_STORE_CODES,
    )  # fmt: skip
    remove = add_subcommand(
        actions, "remove",
        "Takes the right to sign a name from a key. The newest record of every tag is then signed again by this\n"
        "machine's key, so that consumers go on believing them. Can be repeated after an interruption.",
        examples=("swarm key remove @maps/places ed25519:7v5r… --store s3://datasets",), codes=_STORE_CODES,
    )  # fmt: skip
    for one in (add, remove):
        one.add_argument("name", metavar="NAME", help="which dataset")
        one.add_argument("fingerprint", metavar="FINGERPRINT", help="as `swarm key show` prints it")
        add_settings(one, "key", shows=("key", "store", "tracker", "secret"))
    return parser


def run(call: Call) -> int:
    """One of new, show, add, remove."""
    loaded = call.load()
    config = common_config(loaded)
    action = call.options.action
    if action == "new":
        _new(call, loaded, config)
    elif action == "show" and call.options.name is None:
        _show(call, config)
    else:
        check_name(call.options.name)
        call.run(lambda: _with_store(call, config))
    return ExitCode.DONE


def _new(call: Call, loaded: Loaded, config: CommonConfig) -> None:
    from swarm.config.key_file import make_key_file, publisher_path  # noqa: PLC0415  # cryptography, 20 ms

    if config.key_text is not None:
        source = loaded.values["key"].source
        raise UsageError(f"{source} holds a key, not the name of a file", hint="say where: swarm key new --key FILE")
    path = publisher_path(config)
    key = make_key_file(path, "publisher key")
    text = f"{key.fingerprint}\nkept in {path}: whoever has this file can publish in your name"
    call.screen.result("key", {"fingerprint": key.fingerprint, "file": str(path)}, text)


def _show(call: Call, config: CommonConfig) -> None:
    from swarm.config.key_file import load_publisher_key, publisher_path  # noqa: PLC0415

    key = load_publisher_key(config)
    place = None if config.key_text is not None else str(publisher_path(config))
    # Only the fingerprint: `swarm fetch --publisher "$(swarm key show)"` is what this is for.
    call.screen.result("key", {"fingerprint": key.fingerprint, "file": place}, key.fingerprint)


async def _with_store(call: Call, config: CommonConfig) -> None:
    from cli.rotation import add_key, read_chain, remove_key  # noqa: PLC0415
    from swarm.config.key_file import load_publisher_key  # noqa: PLC0415
    from swarm.protocol.keys import parse_fingerprint  # noqa: PLC0415
    from swarm.service.producing import open_records  # noqa: PLC0415  # trio

    options = call.options
    is_show = options.action == "show"
    key = None if is_show else parse_fingerprint(options.fingerprint)
    signer = None if is_show else load_publisher_key(config)
    async with open_records(config) as store:
        if key is None or signer is None:
            chain = await read_chain(store, options.name)
            fields = {"name": chain.name, "n": chain.records[-1].n, "keys": chain.fingerprints}
            call.screen.result("name", {**fields, "realm": chain.realm.hex()}, "\n".join(chain.fingerprints))
            return
        change = add_key if options.action == "add" else remove_key
        done = await change(store, options.name, key, signer)
        if config.tracker:
            from swarm.service.telling import tell_rotation  # noqa: PLC0415  # libp2p

            await tell_rotation(config, store, options.name, call.screen)
    lines = [f"{done.name} may now be signed by", *(f"  {one}" for one in done.keys)]
    if done.tags:
        lines.append(f"signed again: {', '.join(done.tags)}")
    fields = {"name": done.name, "n": done.n, "keys": done.keys, "signed_again": done.tags}
    call.screen.result("name", fields, "\n".join(lines))
    if config.store is None:
        call.screen.say("a swarm seed that is running hears of it when it is started again")
