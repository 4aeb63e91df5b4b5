"""The opening of a connection: hello, and where a secret is set, its proof. Both transports run it before any use.

The dialer speaks first and proves first, so that somebody who merely dials learns nothing to guess the secret from.
Who refuses says why with a `Goodbye`; the other side raises that sentence. A connection whose opening failed is always
closed by the caller, which is why a time limit may cut a read short here and nowhere else.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import trio

from swarm.errors import RefusedError, SwarmError, TransportError
from swarm.protocol import keys
from swarm.protocol.bounds import NONCE_BYTES
from swarm.protocol.ids import PeerId
from swarm.protocol.messages import AgentProof, Direction, Goodbye, Hello, Message, Prove
from swarm.protocol.secret import Role, prove
from swarm.transport.transport import HelloMaker

HELLO_TIMEOUT_S = 5.0
"""The design's promise: without a valid hello a connection lives no longer than this."""

KNOWN_REQUIRED: frozenset[int] = frozenset()
"""Features of the wire that a hello may require and this program has."""

_SECRETS_DIFFER = "the two sides have different secrets"
_SECRETS_DIFFER_HINT = "compare --secret or $SWARM_SECRET"


class MessagePipe(Protocol):
    """Control messages over something that is authenticated but not yet greeted."""

    async def send(self, message: Message) -> None: ...
    async def receive(self) -> Message: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this side is. `make_hello` need not fill in peer_id, nonce, direction or needs_proof: they are set here."""

    peer_id: PeerId
    make_hello: HelloMaker
    secret: bytes | None = None


@dataclass(frozen=True, slots=True)
class Greeting:
    """The result: both hellos, and the round trip measured on the way (None on the side that did not measure one)."""

    local: Hello
    remote: Hello
    rtt_s: float | None


def prove_agent(agent_key: keys.SigningKey, peer_id: PeerId) -> AgentProof:
    """The agent key's word that `peer_id` acts for it."""
    return AgentProof(agent_key.public_key, agent_key.sign(keys.AGENT_CONTEXT, peer_id.encode()))


async def greet_as_dialer(
    pipe: MessagePipe, identity: Identity, authenticated: PeerId, direction: Direction, dial_nonce: bytes | None
) -> Greeting:
    """Opens a connection that we made to `authenticated` (who the encryption says it is). Raises TransportError."""
    with _bounded(authenticated):
        local = _local_hello(identity, direction, dial_nonce)
        started_at = trio.current_time()
        await pipe.send(local)
        remote = await _receive_hello(pipe)
        rtt_s = trio.current_time() - started_at
        check_hello(remote, authenticated, local)
        if remote.direction is not direction:
            raise TransportError(f"{authenticated} answered for another direction than the one it was asked for")
        if identity.secret is not None:
            await pipe.send(Prove(_proof(identity.secret, Role.DIALER, local, remote)))
            await _check_proof(pipe, _proof(identity.secret, Role.ACCEPTOR, local, remote))
        return Greeting(local, remote, rtt_s)


async def greet_as_acceptor(pipe: MessagePipe, identity: Identity, authenticated: PeerId) -> Greeting:
    """Opens a connection that `authenticated` made to us. Raises TransportError, after saying why to the other side."""
    with _bounded(authenticated):
        remote = await _receive_hello(pipe)
        local = _local_hello(identity, remote.direction, None)
        try:
            check_hello(remote, authenticated, local)
        except TransportError as error:
            await _refuse(pipe, local, remote, error)
            raise
        started_at = trio.current_time()
        await pipe.send(local)
        if identity.secret is None:
            return Greeting(local, remote, None)
        try:
            await _check_proof(pipe, _proof(identity.secret, Role.DIALER, remote, local))
        except TransportError as error:
            await pipe.send(Goodbye(error.message))
            raise
        rtt_s = trio.current_time() - started_at
        await pipe.send(Prove(_proof(identity.secret, Role.ACCEPTOR, remote, local)))
        return Greeting(local, remote, rtt_s)


def check_hello(remote: Hello, authenticated: PeerId, local: Hello) -> None:
    """Raises TransportError unless `authenticated` may send `remote` to a side that says `local`."""
    if remote.peer_id != authenticated:
        raise TransportError(f"{authenticated} says that it is {remote.peer_id}")
    _check_version(remote, authenticated, local)
    unknown = sorted(set(remote.required) - KNOWN_REQUIRED)
    if unknown:
        raise TransportError(
            f"{authenticated} requires what this program does not know: {unknown}", hint="update swarm here"
        )
    if len(remote.nonce) != NONCE_BYTES or remote.nonce == local.nonce:
        raise TransportError(f"{authenticated} sent a nonce that is not fresh")
    _check_secrets(remote, authenticated, local)
    _check_agent(remote, authenticated)


def _check_version(remote: Hello, authenticated: PeerId, local: Hello) -> None:
    if remote.v != local.v:
        older = "here" if remote.v > local.v else "there"
        raise TransportError(
            f"{authenticated} speaks version {remote.v} of the protocol, and this program version {local.v}",
            hint=f"update swarm {older}",
        )


def _check_secrets(remote: Hello, authenticated: PeerId, local: Hello) -> None:
    if remote.needs_proof and not local.needs_proof:
        raise TransportError(
            f"{authenticated} asks for a secret, and none is set here", hint="set --secret or $SWARM_SECRET"
        )
    if local.needs_proof and not remote.needs_proof:
        raise TransportError(
            f"a secret is set here, and {authenticated} has none", hint="set the same secret there, or none here"
        )


def _check_agent(remote: Hello, authenticated: PeerId) -> None:
    proof = remote.agent_proof
    try:
        public_key = keys.public_key_of(authenticated) if proof is None else proof.public_key
        if proof is not None:
            keys.verify(proof.public_key, keys.AGENT_CONTEXT, authenticated.encode(), proof.signature)
    except RefusedError as error:
        raise TransportError(f"{authenticated} does not prove that it acts for its agent: {error.message}") from error
    if remote.agent_id != keys.agent_id_of(public_key):
        raise TransportError(f"{authenticated} names an agent whose key it does not show")


def _local_hello(identity: Identity, direction: Direction, dial_nonce: bytes | None) -> Hello:
    return replace(
        identity.make_hello(direction, dial_nonce),
        peer_id=identity.peer_id,
        direction=direction,
        nonce=os.urandom(NONCE_BYTES),
        dial_nonce=dial_nonce,
        needs_proof=identity.secret is not None,
    )


async def _receive_hello(pipe: MessagePipe) -> Hello:
    message = await _receive(pipe)
    if not isinstance(message, Hello):
        raise TransportError(f"{type(message).__name__} came where hello was expected")
    return message


async def _check_proof(pipe: MessagePipe, expected: bytes) -> None:
    message = await _receive(pipe)
    if not isinstance(message, Prove):
        raise TransportError(f"{type(message).__name__} came where the proof of the secret was expected")
    if not hmac.compare_digest(message.proof, expected):
        raise TransportError(_SECRETS_DIFFER, hint=_SECRETS_DIFFER_HINT)


async def _receive(pipe: MessagePipe) -> Message:
    message = await pipe.receive()
    if isinstance(message, Goodbye):
        hint = _SECRETS_DIFFER_HINT if message.reason == _SECRETS_DIFFER else ""
        raise TransportError(f"the other side refused: {message.reason}", hint=hint)
    return message


async def _refuse(pipe: MessagePipe, local: Hello, remote: Hello, error: TransportError) -> None:
    """Says why. What both hellos together say is told by our own, bare of what a stranger need not know: the other
    side then gives its user the hint from where that user stands."""
    if (local.v, local.needs_proof) != (remote.v, remote.needs_proof):
        await pipe.send(replace(local, realm=None, site="", addresses=()))
    else:
        await pipe.send(Goodbye(error.message))


def _proof(secret: bytes, role: Role, dialer: Hello, acceptor: Hello) -> bytes:
    return prove(secret, role, (dialer.nonce, acceptor.nonce), (dialer.peer_id, acceptor.peer_id))


@contextmanager
def _bounded(authenticated: PeerId) -> Iterator[None]:
    with trio.move_on_after(HELLO_TIMEOUT_S) as scope:
        try:
            yield
        except TransportError:
            raise
        except SwarmError as error:
            raise TransportError(f"{authenticated} sent what is no hello: {error.message}") from error
    if scope.cancelled_caught:
        raise TransportError(f"{authenticated} sent no valid hello within {HELLO_TIMEOUT_S:.0f} s")
