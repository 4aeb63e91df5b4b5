"""`swarm trust`: shows, makes and removes pins."""

from __future__ import annotations

from cli.call import Call
from cli.exit_codes import ExitCode
from cli.parser import CommandParser, add_settings, make_parser
from swarm.config.configs import CommonConfig, Pin
from swarm.config.pins import Pins
from swarm.config.values import parse_realm
from swarm.errors import NotFoundError, UsageError


def register() -> CommandParser:
    """The parser of `swarm trust`."""
    parser = make_parser(
        "swarm trust",
        "Pins the publisher key, and with it the realm, that this machine believes about a name. A name that is not\n"
        "pinned is pinned on its first fetch. Without a fingerprint it shows what is pinned.",
        examples=(
            "swarm trust",
            "swarm trust @maps/places ed25519:7v5rxbqjmlkyjkkzgqfnuqxnn4zdo3wdhm5kpgwzsvr4m6xxp3ta",
            "swarm trust @maps/places ed25519:7v5r… --realm 00112233445566778899aabbccddeeff",
            "swarm trust @maps/places --moved 1.4.0",
            "swarm trust @maps/places --remove",
        ),
        codes=(ExitCode.NOT_FOUND, ExitCode.NO_ROOM),
        note="Pins are kept in $SWARM_HOME/trust.toml; a [trust] table in config.toml stands above it.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="whose pin; all of them if left out")
    parser.add_argument("fingerprint", nargs="?", metavar="FINGERPRINT", help="as `swarm key show` prints it")
    parser.add_argument("--realm", metavar="HEX", help="believe this realm, and forget what was seen before")
    parser.add_argument(
        "--moved", metavar="TAG", help="forget what was seen of this release: its producer has moved it by force"
    )
    parser.add_argument("--remove", action="store_true", help="forget the pin")
    add_settings(parser, "trust")
    return parser


def run(call: Call) -> int:
    """Shows, adds or removes."""
    options, config = call.options, call.common()
    pins = Pins.of(config)
    if options.moved and (options.name is None or options.fingerprint or options.realm or options.remove):
        raise UsageError("--moved takes a NAME and nothing else", hint="swarm trust NAME --moved 1.4.0")
    if options.remove and (options.name is None or options.fingerprint or options.realm):
        raise UsageError("--remove takes a NAME and nothing else", hint="swarm trust NAME --remove")
    if options.realm and not options.fingerprint:
        raise UsageError("--realm needs the fingerprint too", hint="swarm trust NAME FINGERPRINT --realm HEX")
    if options.name is not None:
        from swarm.protocol.names import check_name  # noqa: PLC0415

        check_name(options.name)
    if options.moved:
        _believe_moved(call, config, options.name, options.moved)
    elif options.remove:
        _remove(call, pins, options.name)
    elif options.fingerprint:
        _add(call, config, pins)
    else:
        _show(call, pins, options.name)
    return ExitCode.DONE


def _show(call: Call, pins: Pins, name: str | None) -> None:
    found = pins.all()
    if name is not None:
        if name not in found:
            raise NotFoundError(f"{name} is not pinned", hint=f"swarm trust {name} FINGERPRINT pins it")
        found = {name: found[name]}
    for one, pin in found.items():
        _tell(call, pins, one, pin, None)
    if not found:
        call.screen.say("nothing is pinned: a name is pinned when it is first fetched")


def _add(call: Call, config: CommonConfig, pins: Pins) -> None:
    from swarm.protocol.keys import fingerprint, parse_fingerprint  # noqa: PLC0415  # cryptography, 20 ms

    options = call.options
    publisher = fingerprint(parse_fingerprint(options.fingerprint))
    before = pins.find(options.name)
    # The same key without a realm keeps the realm: to forget that too is --remove.
    kept = before.realm if before is not None and before.publisher == publisher else None
    pin = Pin(publisher, parse_realm(options.realm) if options.realm else kept)
    if options.realm:
        # A name that begins anew does not go on from what was seen of it.
        from swarm.agent.recordbook import Recordbook  # noqa: PLC0415

        Recordbook(config.home).forget(options.name)
    _tell(call, pins, options.name, pin, pins.add(options.name, pin))


def _believe_moved(call: Call, config: CommonConfig, name: str, tag: str) -> None:
    from swarm.agent.recordbook import Recordbook  # noqa: PLC0415
    from swarm.protocol.names import check_tag  # noqa: PLC0415
    from swarm.protocol.records import decode_tag_record  # noqa: PLC0415

    book = Recordbook(config.home)
    seen = book.newest(name, check_tag(tag))
    if seen is None:
        raise NotFoundError(f"this machine has seen no {name}:{tag}", hint=f"swarm tags {name} lists what there is")
    book.forget_tag(name, tag)
    root = decode_tag_record(seen).root
    digest = None if root is None else root.hex()
    was = "nothing" if digest is None else digest[:16]
    text = f"{name}:{tag} is no longer held to {was}: the next fetch believes anew"
    call.screen.result("forgotten", {"name": name, "tag": tag, "digest": digest}, text)


def _remove(call: Call, pins: Pins, name: str) -> None:
    if name in pins.configured:
        raise UsageError(f"{name} is pinned in config.toml", hint="remove it there")
    pin = pins.remove(name)
    if pin is None:
        raise NotFoundError(f"{name} is not pinned", hint="swarm trust lists the pins")
    call.screen.result("unpinned", {"name": name, "publisher": pin.publisher}, f"{name} is no longer pinned")


def _tell(call: Call, pins: Pins, name: str, pin: Pin, before: Pin | None) -> None:
    realm = pin.realm.hex() if pin.realm else None
    file = "config.toml" if name in pins.configured else pins.path.name
    text = f"{name}  {pin.publisher}" + (f"  realm {realm}" if realm else "") + f"  ({file})"
    if before is not None and before != pin:
        text += f"\n  in place of {before.publisher}" + (f" realm {before.realm.hex()}" if before.realm else "")
    call.screen.result("pin", {"name": name, "publisher": pin.publisher, "realm": realm, "file": file}, text)
