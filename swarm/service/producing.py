"""Where a producer's records are, and whether what is found there may be built on.

A producer signs what follows the newest record that he finds. If the store has gone back to its past, or tells of
another history than this machine has seen, that signature would make a fork: so it is looked at as a fetch would.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from swarm.agent.answers import answer_of_store
from swarm.agent.recordbook import Recordbook
from swarm.agent.trust import Decision, decide
from swarm.config.configs import CommonConfig
from swarm.config.store_options import options_of
from swarm.errors import NotFoundError, RefusedError, TrustError, UsageError
from swarm.protocol.chain import verify_chain
from swarm.protocol.keys import SigningKey, fingerprint
from swarm.protocol.records import Order, check_history, decode_tag_record, describe
from swarm.seeder.history import DIRECTORY, OWN, open_history
from swarm.seeder.standing import NameStanding, Standing, TagStanding, check_key, read_name, read_tag
from swarm.service.pinning import pinned
from swarm.service.tracker_realm import realm_of_trackers
from swarm.store import Store, open_store


def now_ms() -> int:
    """Unix ms."""
    return time.time_ns() // 1_000_000


def has_history(config: CommonConfig) -> bool:
    """Whether something was published from here without a store."""
    return (config.home / DIRECTORY / OWN).is_dir()


@asynccontextmanager
async def open_records(config: CommonConfig) -> AsyncIterator[Store]:
    """The store, or what `swarm seed` without one keeps in `$SWARM_HOME`. Raises UsageError where there is neither."""
    if config.store is not None:
        async with open_store(config.store, options_of(config)) as store:
            yield store
    elif has_history(config):
        async with open_history(config.home, await realm_of_trackers(config.tracker)) as history:
            yield history
    else:
        raise UsageError("tags and keys of a name are kept in its store, and none was named", hint="add --store URL")


async def decide_here(records: Store, config: CommonConfig, name: str, tag: str | None) -> Decision:
    """What a tag, or a range, means by these records, judged as a fetch judges. Raises NotFoundError, RefusedError."""
    answer = await answer_of_store(records, name, tag)
    seen = Recordbook(config.home).seen(name)
    return decide(name, tag, [answer], pin=pinned(config, name), seen=seen, now_ms=now_ms())


async def read_own_standing(records: Store, config: CommonConfig, name: str, tag: str, key: SigningKey) -> Standing:
    """A tag that is to be moved, and who may. Raises NotFoundError (nobody has published the name), TrustError (the
    key, the realm), ForkError, RefusedError (a past state)."""
    standing, refusal = await check_standing(records, config, name, tag)
    check_key(standing.names[0], key)
    if refusal is not None:
        raise refusal
    return standing


async def check_goals(records: Store, config: CommonConfig, goals: Iterable[tuple[str, str]]) -> None:
    """Before a publish: raises RefusedError where it would sign on top of the past. Nothing is said of new names."""
    for name, tag in goals:
        try:
            _, refusal = await check_standing(records, config, name, tag)
        except NotFoundError:
            continue
        if refusal is not None:
            raise refusal


async def check_standing(
    records: Store, config: CommonConfig, name: str, tag: str
) -> tuple[Standing, RefusedError | None]:
    """A tag as it is here, and why it is not to be believed, if so. Raises NotFoundError."""
    standing = await read_name(records, name)
    if standing.chain is None:
        raise NotFoundError(f"nobody has published {name} here", hint="swarm seed PATH NAME begins a name")
    tagged = await read_tag(records, standing, tag)
    refusal: RefusedError | None = None
    try:
        _check_chain(standing, config)
        _check_tag(tagged, config, records)
    except RefusedError as error:
        refusal = error
    return Standing((standing,), (tagged,)), refusal


def _check_chain(standing: NameStanding, config: CommonConfig) -> None:
    name, chain, pin = standing.name, standing.chain, pinned(config, standing.name)
    assert chain is not None
    if pin is not None and pin.realm not in (None, chain.realm):
        raise TrustError(
            f"the records here speak of '{name}' in realm {chain.realm.hex()}, and {pin.realm.hex()} is pinned",
            hint=f"if that is right: swarm trust {name} {fingerprint(pin.key)} --realm {chain.realm.hex()}",
        )
    seen = Recordbook(config.home).chain(name)
    known = verify_chain(seen, name=name) if seen else None
    if known is None or known.realm != chain.realm:
        return  # begun anew: a pin decides about that
    chain.check_extends(known)
    if not chain.extends(known):
        raise _behind(f"the keys of '{name}' are those of an earlier time: there were {len(known.ids)} changes of them")


def _check_tag(tag: TagStanding, config: CommonConfig, records: Store) -> None:
    seen = Recordbook(config.home).newest(tag.name, tag.tag)
    if seen is None:
        return
    known = decode_tag_record(seen)
    if known.realm != records.realm:
        return
    if tag.data is None or tag.record is None:
        raise _behind(f"{tag.name}:{tag.tag} is not there, and this machine has seen {describe(known)}")
    if check_history(seen, tag.data) is Order.OLDER:
        raise _behind(f"{describe(tag.record)} is older than what this machine has seen: {describe(known)}")


def _behind(message: str) -> RefusedError:
    return RefusedError(
        message,
        hint="the store has lost records, or plays the past: bring back its newer history/ and tags/; what is signed "
        "on top of this would be a fork",
    )
