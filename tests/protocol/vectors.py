"""The test vectors of docs/format.md and docs/protocol.md: what they are made of, and the script that writes them.

`python -m tests.protocol.vectors` rewrites tests/vectors/protocol.json. It changes only with a new version of a format.
"""

from __future__ import annotations

import json
from pathlib import Path

from swarm.protocol import keys
from swarm.protocol import messages as m
from swarm.protocol.bitfield import Bitfield
from swarm.protocol.codec import encode_message
from swarm.protocol.content import content_of
from swarm.protocol.frames import Flags, FrameHeader, abort, pack
from swarm.protocol.lease import sign_lease
from swarm.protocol.records import record_id, sign_name_record, sign_tag_record
from swarm.protocol.secret import Role, prove
from tests.protocol.samples import (
    AGENT,
    KEY,
    OTHER_KEY,
    REALM,
    ROOT_ID,
    directory,
    file,
    lease,
    name_record,
    small_version,
    symlink,
    tag_record,
)

PATH = Path(__file__).parent.parent / "vectors" / "protocol.json"

NONCES = (b"d" * 16, b"a" * 16)
PEER = m.PeerInfo(AGENT, OTHER_KEY.peer_id, ("/ip4/192.0.2.1/tcp/4001",), "eu/a", is_origin=True)

MESSAGES: dict[str, m.Message] = {
    "hello": m.Hello(
        realm=REALM,
        agent_id=KEY.agent_id,
        agent_proof=None,
        peer_id=KEY.peer_id,
        site="eu/a",
        direction=m.Direction.TO_DIALER,
        is_origin=False,
        reads_store=True,
        is_tracker=False,
        nonce=NONCES[0],
        addresses=("/ip4/192.0.2.1/tcp/4001",),
        needs_proof=True,
    ),
    "prove": m.Prove(prove(b"a shared secret", Role.DIALER, NONCES, (KEY.peer_id, OTHER_KEY.peer_id))),
    "alive": m.Alive(),
    "goodbye": m.Goodbye("done"),
    "unsupported": m.Unsupported(200),
    "resolve": m.Resolve(1, "@maps/tiles", "latest"),
    "resolve every tag": m.Resolve(1, "@maps/tiles", None),
    "failed": m.Failed(1, "missing", "no such name"),
    "open": m.Open(0, ROOT_ID),
    "bitfield": m.Bitfield(0, Bitfield.from_runs(((0, 2), (12, 1)), 13).to_bytes(), None),
    "haves": m.Haves(((0, ((2, 3), (7, 1))),)),
    "lost": m.Lost(0, ((2, 1),), m.LostReason.EDITED),
    "ready": m.Ready(77, 0, ((5, 1),), None),
    "ready, named by an origin": m.Ready(78, 0, (), ((9, 2),)),
    "request": m.Request(5, 77, 0, ((1, 2), (9, 1))),
    "decline": m.Decline(77, m.DeclineReason.NO_CREDIT),
    "credit": m.Credit(2, 48 << 20),
    "cancel": m.Cancel(5),
    "busy": m.Busy(1.5, (PEER,)),
    "welcome": m.Welcome(1_700_000_000_000, OTHER_KEY.public_key),
    "count": m.Count(ROOT_ID, 9, lacks=True),
    "leases": m.Leases((m.LeaseReport(7, m.LeaseState.MOVING, 65_536),)),
    "share": m.Share(1_700_000_000_000, ROOT_ID, ((0, 13),)),
    "lease wanted, over a border": m.LeaseWanted(ROOT_ID, 2, ((3, 1), (7, 2)), from_peers=True),
    "orphans, over a border": m.Orphans(ROOT_ID, ((7, 2),), from_peers=True),
    "entered": m.Entered(ROOT_ID, ((3, 1),)),
}


def content() -> bytes:
    """The hash of three entries, one of each kind."""
    return content_of([directory(b"a"), file(b"a/one", b"1" * 300), symlink(b"a/up", b"../b/two")])


def formats() -> dict[str, str]:
    """Name of a vector -> hex, or text where the thing is text."""
    version = small_version()
    name = sign_name_record(name_record(), KEY)
    next_name = name_record(n=1, keys=(KEY.public_key, OTHER_KEY.public_key), prev=record_id(name))
    tag = tag_record(notes="first", labels=(("build", "17"),))
    tombstone = tag_record(seq=1, prev=record_id(sign_tag_record(tag, KEY)), root=None)
    proof = prove(b"a shared secret", Role.DIALER, NONCES, (KEY.peer_id, OTHER_KEY.peer_id))
    return {
        "seed": KEY.seed.hex(),
        "public key": KEY.public_key.hex(),
        "fingerprint": KEY.fingerprint,
        "peer id": KEY.peer_id,
        "agent id": KEY.agent_id.hex(),
        "agent proof": KEY.sign(keys.AGENT_CONTEXT, OTHER_KEY.peer_id.encode()).hex(),
        "blocks page": version.pages[0].hex(),
        "tree page": version.pages[1].hex(),
        "root": version.root_bytes.hex(),
        "version": version.id.hex(),
        "content": content().hex(),
        "name record 0": name.hex(),
        "name record 1": sign_name_record(next_name, KEY).hex(),
        "tag record": sign_tag_record(tag, KEY).hex(),
        "tombstone": sign_tag_record(tombstone, KEY).hex(),
        "lease": sign_lease(lease(), OTHER_KEY).hex(),
        "lease from peers": sign_lease(lease(from_peers=True), OTHER_KEY).hex(),
        "proof of the secret": proof.hex(),
        "frame": pack(FrameHeader(5, 9, 131_072, 18_928, 150_000, Flags.LAST)).hex(),
        "aborted frame": pack(abort(5, 9, 65_483, 150_000, is_lost=True)).hex(),
    }


def everything() -> dict[str, dict[str, str]]:
    """What the file holds."""
    messages = {name: encode_message(message).hex() for name, message in MESSAGES.items()}
    return {"formats": formats(), "messages": messages}


def load() -> dict[str, dict[str, str]]:
    """What the file says."""
    loaded: dict[str, dict[str, str]] = json.loads(PATH.read_text())
    return loaded


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(json.dumps(everything(), indent=1) + "\n")
