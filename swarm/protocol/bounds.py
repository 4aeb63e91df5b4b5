"""Every number that bounds what comes from outside, with its reason. docs/format.md and docs/protocol.md repeat them.

A decoder checks its bound before it allocates. A writer that would pass one raises instead of writing.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

# --- CBOR ---------------------------------------------------------------------------------------

DEPTH_MAX = 16
"""Nesting of any object. Ours need six; more is a bomb."""

ITEMS_MAX = 262_144
"""Data items in one message: an item takes at most 80 bytes of memory, so a decode stays near 20 MB."""

STORED_ITEMS_MAX = 4_096
"""Data items in a root, a page or a record. Their columns are byte strings, so that a root needs about 60 items."""

UINT_MAX = 2**63 - 1
"""Largest unsigned number anywhere: it fits a signed 64-bit integer in every language and in SQLite."""

REQUIRED_MAX = 32
"""Keys listed in one `required`."""

# --- manifest -----------------------------------------------------------------------------------

ROOT_BYTES_MAX = 1 * MIB
"""A root comes in one control message; about 10,000 pages fit."""

PAGE_BYTES_MAX = 1 * MIB
"""A page is a block of middling size."""

BLOCK_BYTES_MAX = 16 * MIB
"""Four times the greatest average. A whole block is held in memory while it is hashed."""

PAGES_MAX = 16_384
"""Pages of one version: more do not fit a root."""

BLOCKS_MAX = 4_194_304
"""Distinct blocks of one version: 16 TiB at 4 MiB; a bitfield of them is 512 KiB."""

STREAM_POSITIONS_MAX = 4_194_304
"""Blocks in the stream, repeats counted: what a reader expands takes at most 48 MiB, however small the page is."""

INDEX_COUNT_MAX = BLOCKS_MAX + PAGES_MAX
"""Size of an index space."""

FILES_MAX = 16_777_216
"""Entries of one version (files, directories, symlinks). A reader needs about 110 bytes for each."""

STREAM_BYTES_MAX = STREAM_POSITIONS_MAX * BLOCK_BYTES_MAX
"""64 TiB: what the two bounds above allow."""

PATH_BYTES_MAX = 4_095
"""Linux's PATH_MAX without its NUL."""

PATH_PART_BYTES_MAX = 255
"""NAME_MAX of every common file system."""

TARGET_BYTES_MAX = 4_095
"""A symlink's target is a path."""

MODE_MAX = 0o777
"""Permission bits only: no setuid, setgid or sticky bit travels."""

CUTTER_MASKS_MAX = 8
"""A cutter of the FastCDC family has two."""

ALGORITHM_BYTES_MAX = 32
"""A cutter's name."""

# --- names, records -----------------------------------------------------------------------------

NAME_PART_BYTES_MAX = 128
"""A part of a name, and a tag: a file name on every system, with room for a suffix."""

NAME_BYTES_MAX = 1 + NAME_PART_BYTES_MAX + 1 + NAME_PART_BYTES_MAX
"""`@scope/part`."""

RECORD_BYTES_MAX = 64 * KIB
"""A tag or name record in its envelope."""

NOTES_BYTES_MAX = 16 * KIB
"""Release notes: a page or five."""

LABELS_MAX = 64
"""Together with their texts they leave room for the rest of a record."""

LABEL_KEY_BYTES_MAX = 128
"""A name with a prefix, as in other registries."""

LABEL_VALUE_BYTES_MAX = 512
"""A digest, a URL."""

ROLLOUT_BYTES_MAX = 4 * KIB
"""Opaque here: the plan of a rollout has its own format."""

RECORD_KEYS_MAX = 256
"""Keys that may sign one name's tags."""

NAME_RECORDS_MAX = 1_024
"""Length of a chain of name records: one step per key added or removed."""

NAME_CHAIN_BYTES_MAX = 1 * MIB
"""A whole chain, as it is carried in one message."""

TIME_MS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999."""

LEASE_BYTES_MAX = 1_024
"""A lease in its envelope; 64 scattered blocks take 700."""

LEASE_INDEXES_MAX = 64
"""Blocks of one lease."""

# --- wire ---------------------------------------------------------------------------------------

MESSAGE_BYTES_MAX = 4 * MIB
"""The largest message is `Resolved`: tag records, a whole chain of name records, and a root of 1 MiB."""

RUNS_MAX = 65_536
"""Runs in one message, three items each; a more scattered set is sent as a bitfield, in parts, or cut short."""

REQUEST_BLOCKS_MAX = 64
"""Blocks of one request."""

HANDLES_MAX = 65_536
"""Handles of a connection."""

HAVES_HANDLES_MAX = 256
"""Versions in one `Haves`."""

PEERS_MAX = 256
"""Peers in one message; a hand-out names 16 to 32."""

ADDRESSES_MAX = 16
"""Of one agent: a few interfaces with two families."""

ADDRESS_BYTES_MAX = 255
"""A multiaddr with a DNS name."""

SITE_BYTES_MAX = 255
"""A path of places, `a/b/c`."""

REASON_BYTES_MAX = 1_024
"""A sentence for people; a writer cuts longer ones."""

URL_BYTES_MAX = 8_192
"""A presigned URL with a session token."""

CAPABILITY_BYTES_MAX = 4_096
"""Opaque so far; a signed token with a few clauses."""

LISTING_RECORDS_MAX = 256
"""Tag records in one answer."""

LISTING_BYTES_MAX = 2 * MIB
"""All of these together; the writer of a listing counts."""

NEAR_MAX = 16
"""Names that may have been meant."""

LEASES_MAX = 1_024
"""Leases in one message: an agent holds at most 16 at once and reports each a few times."""

LOST_AGENTS_MAX = 256
"""Agents that somebody could not reach: as many as a message may name."""

TRACKERS_MAX = 16
"""Trackers of one redirect."""

NONCE_BYTES = 16
"""Random bytes that never repeat."""
