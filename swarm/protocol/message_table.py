"""The table of control messages: for each its number, its bound in bytes, its fields with their keys and bounds.

The table is the protocol: docs/protocol.md repeats it and a test compares them. `codec` applies it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from swarm.protocol import bounds as b
from swarm.protocol import messages as m
from swarm.protocol.fields import Field, Schema
from swarm.protocol.forms import DIGEST, ArrayOf, Boolean, Bytes, EnumOf, PairOf, Prose, RunsOf, Seconds, Text, Uint
from swarm.protocol.names import NAME, QUERY

TYPE_MAX = 65_535
HELLO_VERSION_MAX = 65_535

TINY = 256
SMALL = 16 * b.KIB
MEDIUM = 1 * b.MIB
LARGE = 2 * b.MIB
"""Steps of the bounds, in bytes; each is well over what its messages need."""

U16 = Uint(b.HANDLES_MAX - 1)
U32 = Uint(2**32 - 1)
COUNT = Uint(b.INDEX_COUNT_MAX)
BYTES_COUNT = Uint(b.STREAM_BYTES_MAX)
EPOCH = Uint(b.TIME_MS_MAX)
NUMBER = Uint()
NONCE = Bytes(b.NONCE_BYTES, b.NONCE_BYTES)
KEY = Bytes(32, 32)
REALM = Bytes(16, 16)
SIGNATURE = Bytes(64, 64)
PEER_ID = Text(64, re.compile(r"[A-Za-z0-9._-]{1,64}"))
SITE = Text(b.SITE_BYTES_MAX, re.compile(r"[A-Za-z0-9._/-]*"))
ADDRESSES = ArrayOf(Text(b.ADDRESS_BYTES_MAX), b.ADDRESSES_MAX)
CAPABILITY = Bytes(b.CAPABILITY_BYTES_MAX)
REASON = Prose(b.REASON_BYTES_MAX)
NAME_TEXT = Text(b.NAME_BYTES_MAX, NAME)
QUERY_TEXT = Text(1 + b.NAME_PART_BYTES_MAX, QUERY)
RECORD = Bytes(b.RECORD_BYTES_MAX, 1)
NAME_CHAIN = ArrayOf(RECORD, b.NAME_RECORDS_MAX)
ROOT = Bytes(b.ROOT_BYTES_MAX, 1)
LEASE = Bytes(b.LEASE_BYTES_MAX, 1)
BITS = Bytes((b.INDEX_COUNT_MAX + 7) // 8)
RUNS = RunsOf()
REQUEST_RUNS = RunsOf(b.REQUEST_BLOCKS_MAX, b.REQUEST_BLOCKS_MAX)

AGENT_PROOF = Schema("agent proof", m.AgentProof, (Field(2, "public_key", KEY), Field(3, "signature", SIGNATURE)))
PEER_INFO = Schema(
    "peer",
    m.PeerInfo,
    (
        Field(2, "agent_id", DIGEST),
        Field(3, "peer_id", PEER_ID),
        Field(4, "addresses", ADDRESSES),
        Field(5, "site", SITE, ""),
        Field(6, "is_origin", Boolean(), False),
    ),
)
PEERS = ArrayOf(PEER_INFO, b.PEERS_MAX)
LEASE_REPORT = Schema(
    "lease report",
    m.LeaseReport,
    (Field(2, "number", NUMBER), Field(3, "state", EnumOf(m.LeaseState)), Field(4, "bytes", BYTES_COUNT)),
)


@dataclass(frozen=True, slots=True)
class MessageKind:
    """One line of the table: the number, the class, its bound in bytes, its fields, and who sends it when."""

    number: int
    cls: type[Any]
    max_bytes: int
    schema: Schema[Any]
    when: str


def _kind(number: int, cls: type[Any], max_bytes: int, when: str, *fields: Field) -> MessageKind:
    return MessageKind(number, cls, max_bytes, Schema(cls.__name__, cls, fields), when)


def _handle() -> Field:
    return Field(2, "handle", U16)


def _request() -> Field:
    return Field(2, "request", U32)


def _version(key: int = 2) -> Field:
    return Field(key, "version", DIGEST)


def _capability(key: int) -> Field:
    return Field(key, "capability", CAPABILITY, None)


# Families begin at 1, 32, 64 and 128; the gaps are for later messages of the same family.
CONNECTION_KINDS = (
    _kind(
        1,
        m.Hello,
        SMALL,
        "both sides, first on the control stream of every connection",
        Field(0, "v", Uint(HELLO_VERSION_MAX, 1)),
        Field(1, "required", ArrayOf(Uint(), b.REQUIRED_MAX)),
        Field(2, "realm", REALM, None),
        Field(3, "agent_id", DIGEST),
        Field(4, "agent_proof", AGENT_PROOF, None),
        Field(5, "peer_id", PEER_ID),
        Field(6, "site", SITE, ""),
        Field(7, "direction", EnumOf(m.Direction)),
        Field(8, "is_origin", Boolean(), False),
        Field(9, "reads_store", Boolean(), False),
        Field(10, "is_tracker", Boolean(), False),
        Field(11, "nonce", NONCE),
        Field(12, "addresses", ADDRESSES, ()),
        Field(13, "dial_nonce", NONCE, None),
        Field(14, "needs_proof", Boolean(), False),
    ),
    _kind(2, m.Prove, TINY, "both sides, after both hellos where either needs proof", Field(2, "proof", DIGEST)),
    _kind(3, m.Alive, TINY, "who has sent nothing else for 1 s"),
    _kind(4, m.Goodbye, 2 * b.KIB, "who is about to close, last", Field(2, "reason", REASON, "")),
    _kind(5, m.GoodbyeAck, TINY, "who has read a goodbye and everything before it"),
    _kind(6, m.Unsupported, TINY, "who got a type it does not know", Field(2, "type", Uint(TYPE_MAX))),
)

CATALOG_KINDS = (
    _kind(
        32,
        m.Resolve,
        SMALL,
        "agent to tracker or peer: what does a tag mean",
        _request(),
        Field(3, "name", NAME_TEXT),
        Field(4, "tag", QUERY_TEXT, None),
        _capability(5),
    ),
    _kind(
        33,
        m.Resolved,
        b.MESSAGE_BYTES_MAX,
        "answers resolve",
        _request(),
        Field(3, "tag_records", ArrayOf(RECORD, b.LISTING_RECORDS_MAX), ()),
        Field(4, "name_records", NAME_CHAIN, ()),
        Field(5, "root", ROOT, None),
        Field(6, "near", ArrayOf(Text(b.NAME_BYTES_MAX), b.NEAR_MAX), ()),
    ),
    _kind(
        34,
        m.ListDatasets,
        SMALL,
        "agent to tracker or peer: which names, or which tags of a name",
        _request(),
        Field(3, "name", NAME_TEXT, None),
        Field(4, "after", Text(b.NAME_BYTES_MAX), None),
    ),
    _kind(
        35,
        m.Listing,
        LARGE,
        "answers list",
        _request(),
        Field(3, "tag_records", ArrayOf(RECORD, b.LISTING_RECORDS_MAX), ()),
        Field(4, "is_complete", Boolean()),
    ),
    _kind(36, m.RootRequest, SMALL, "agent to tracker or peer: a root", _request(), _version(3), _capability(4)),
    _kind(37, m.RootReply, LARGE, "answers root", _request(), Field(3, "root", ROOT, None)),
    _kind(
        38,
        m.Publish,
        b.MESSAGE_BYTES_MAX,
        "seeder to tracker: a tag has moved",
        _request(),
        Field(3, "tag_record", RECORD),
        Field(4, "name_records", NAME_CHAIN, ()),
        Field(5, "root", ROOT, None),
    ),
    _kind(
        39,
        m.Published,
        b.RECORD_BYTES_MAX + SMALL,
        "answers publish",
        _request(),
        Field(3, "is_accepted", Boolean()),
        Field(4, "reason", REASON, ""),
        Field(5, "newest", RECORD, None),
    ),
    _kind(
        40,
        m.Subscribe,
        SMALL,
        "agent to tracker: tell me when tags move",
        _request(),
        Field(3, "name", NAME_TEXT),
        Field(4, "tag", QUERY_TEXT, None),
        _capability(5),
    ),
    _kind(
        41,
        m.TagMoved,
        LARGE,
        "tracker to subscribers",
        Field(2, "tag_record", RECORD),
        Field(3, "root", ROOT, None),
    ),
    _kind(
        42,
        m.Redirect,
        SMALL,
        "may answer any catalog question",
        _request(),
        Field(3, "trackers", ArrayOf(Text(b.ADDRESS_BYTES_MAX), b.TRACKERS_MAX)),
    ),
    _kind(
        43,
        m.Failed,
        2 * b.KIB,
        "may answer any catalog question",
        _request(),
        Field(3, "code", Text(32, re.compile(r"[a-z_]{1,32}"))),
        Field(4, "text", REASON, ""),
    ),
)

PEER_KINDS = (
    _kind(64, m.Open, SMALL, "who wants to exchange a version, once for it", _handle(), _version(3), _capability(4)),
    _kind(
        65,
        m.Bitfield,
        LARGE,
        "both, after open",
        _handle(),
        Field(3, "have", BITS),
        Field(4, "want", BITS, None),
    ),
    _kind(66, m.Want, MEDIUM, "whose wishes have changed", _handle(), Field(3, "runs", RUNS, ())),
    _kind(
        67,
        m.Haves,
        MEDIUM,
        "who has got blocks, at most 500 ms after",
        Field(2, "runs_by_handle", ArrayOf(PairOf(U16, RUNS), b.HAVES_HANDLES_MAX)),
    ),
    _kind(
        68,
        m.Lost,
        MEDIUM,
        "who can no longer give blocks",
        _handle(),
        Field(3, "runs", RUNS),
        Field(4, "reason", EnumOf(m.LostReason)),
    ),
    _kind(
        69,
        m.Ready,
        MEDIUM,
        "who has a free uplink slot, to one that lacks something",
        Field(2, "grant", U32),
        Field(3, "handle", U16),
        Field(4, "new_haves", RUNS, ()),
        Field(5, "named", REQUEST_RUNS, None),
    ),
    _kind(
        70,
        m.Request,
        SMALL,
        "answers ready",
        _request(),
        Field(3, "grant", U32),
        Field(4, "handle", U16),
        Field(5, "runs", REQUEST_RUNS),
    ),
    _kind(
        71,
        m.Decline,
        TINY,
        "answers ready",
        Field(2, "grant", U32),
        Field(3, "reason", EnumOf(m.DeclineReason)),
    ),
    _kind(
        72,
        m.Credit,
        TINY,
        "receiver to its senders, when it has changed",
        Field(2, "slots", Uint(255)),
        Field(3, "bytes", BYTES_COUNT),
    ),
    _kind(73, m.Cancel, TINY, "who has sent the request", _request()),
    _kind(
        74,
        m.Denied,
        LARGE,
        "answers open",
        _handle(),
        Field(3, "reason", REASON, ""),
        Field(4, "others", PEERS, ()),
    ),
    _kind(
        75,
        m.Busy,
        LARGE,
        "answers open, or ends a connection",
        Field(2, "retry_after_s", Seconds(86_400_000)),
        Field(3, "others", PEERS, ()),
    ),
    _kind(
        76,
        m.DialMe,
        SMALL,
        "who wants blocks of one it cannot dial; through the tracker with target, from it with sender",
        Field(2, "addresses", ADDRESSES),
        Field(3, "nonce", NONCE),
        Field(4, "target", DIGEST, None),
        Field(5, "sender", DIGEST, None),
    ),
)

TRACKER_KINDS = (
    _kind(
        128,
        m.Welcome,
        TINY,
        "tracker, after the hellos",
        Field(2, "tracker_epoch", EPOCH),
        Field(3, "tracker_key", KEY),
        Field(4, "fails_closed", Boolean(), False),
    ),
    _kind(
        129,
        m.Join,
        LARGE,
        "agent to tracker: it takes part in a version",
        _version(),
        Field(3, "space", COUNT),
        Field(4, "have_count", COUNT),
        Field(5, "lacks", Boolean()),
        Field(6, "is_origin", Boolean(), False),
        Field(7, "reads_store", Boolean(), False),
        Field(8, "site", SITE, ""),
        Field(9, "addresses", ADDRESSES, ()),
        Field(10, "leases", ArrayOf(LEASE, b.LEASES_MAX), ()),
        Field(11, "held", RUNS, None),
        Field(12, "receiving", RUNS, ()),
        _capability(13),
    ),
    _kind(130, m.Leave, TINY, "agent to tracker", _version()),
    _kind(
        131,
        m.Count,
        TINY,
        "agent to tracker, every few seconds",
        _version(),
        Field(3, "have_count", COUNT),
        Field(4, "lacks", Boolean()),
    ),
    _kind(
        132,
        m.NeedPeers,
        SMALL,
        "agent to tracker: too few neighbours",
        _version(),
        Field(3, "count", Uint(b.PEERS_MAX)),
        Field(4, "lost", ArrayOf(DIGEST, b.LOST_AGENTS_MAX), ()),
    ),
    _kind(133, m.HandOut, LARGE, "tracker to agent", _version(), Field(3, "peers", PEERS)),
    _kind(
        134,
        m.LeaseWanted,
        MEDIUM,
        "agent to tracker: it could read from the store, or take blocks over its site's border",
        _version(),
        Field(3, "count", COUNT),
        Field(4, "lacks", RUNS, None),
        Field(5, "from_peers", Boolean(), False),
    ),
    _kind(
        135,
        m.LeaseGrant,
        SMALL,
        "tracker to agent",
        Field(2, "lease", LEASE),
        Field(3, "url", Text(b.URL_BYTES_MAX), None),
    ),
    _kind(
        136,
        m.Leases,
        MEDIUM,
        "agent to tracker, every second while it holds any",
        Field(2, "reports", ArrayOf(LEASE_REPORT, b.LEASES_MAX)),
    ),
    _kind(
        137,
        m.LeaseFenced,
        TINY,
        "tracker to agent: stop reading",
        Field(2, "number", NUMBER),
        Field(3, "tracker_epoch", EPOCH),
    ),
    _kind(
        138,
        m.Share,
        MEDIUM,
        "tracker to seeder",
        Field(2, "tracker_epoch", EPOCH),
        _version(3),
        Field(4, "runs", RUNS, ()),
    ),
    _kind(
        139,
        m.Orphans,
        MEDIUM,
        "agent to tracker, after its patience",
        _version(),
        Field(3, "runs", RUNS),
        Field(4, "from_peers", Boolean(), False),
    ),
    _kind(
        140,
        m.Entered,
        MEDIUM,
        "agent to tracker: a seeder gives it these",
        _version(),
        Field(3, "runs", RUNS),
    ),
)

KINDS = (*CONNECTION_KINDS, *CATALOG_KINDS, *PEER_KINDS, *TRACKER_KINDS)
