"""Which key holds what (docs/store.md says it to the byte). Pure; the only place where keys are made or read.

    swarm.cbor                       blocks/ab/<hex>              versions/<hex>
    history/<name>/<tag>/<seq>       tags/<name>/<tag>            names/<name>/<n>
    publishing/<uuid>                gc/<run>

A name may be `@scope/part`, which makes one level more. No other name begins with `@`, so keys stay unambiguous.
Numbers have 20 decimal digits with leading zeros: the order of keys is the order of numbers.
"""

from __future__ import annotations

from swarm.errors import DecodeError, UsageError
from swarm.protocol.ids import DIGEST_BYTES, BlockId, VersionId

IDENTITY_KEY = "swarm.cbor"
BLOCKS = "blocks/"
VERSIONS = "versions/"
HISTORY = "history/"
TAGS = "tags/"
NAMES = "names/"
PUBLISHING = "publishing/"
GC = "gc/"
TOP_LEVEL = (IDENTITY_KEY, BLOCKS, "packs/", VERSIONS, HISTORY, TAGS, NAMES, PUBLISHING, GC)
"""Everything a store may hold at its top; `packs/` is reserved."""

BLOCK_PREFIX_COUNT = 256
NUMBER_DIGITS = 20
"""As many as 2^64 - 1 has, so that every number a record can carry has a key."""
NUMBER_MAX = 2**64 - 1


def block_key(block: BlockId) -> str:
    return f"{block_prefix(block[0])}{block.hex()}"


def block_prefix(first_byte: int) -> str:
    """The 256 prefixes that blocks are listed by."""
    return f"{BLOCKS}{first_byte:02x}/"


def block_of(key: str) -> BlockId | None:
    """The block that a key under `blocks/` holds; None for what is no block's key."""
    prefix, _, name = key.rpartition("/")
    try:
        block = BlockId(bytes.fromhex(name))
    except ValueError:
        return None
    return block if len(block) == DIGEST_BYTES and key == block_key(block) and prefix else None


def version_key(version: VersionId) -> str:
    return f"{VERSIONS}{version.hex()}"


def version_of_key(key: str) -> VersionId | None:
    """The version whose root a key under `versions/` holds; None for what is no root's key."""
    try:
        version = VersionId(bytes.fromhex(key.removeprefix(VERSIONS)))
    except ValueError:
        return None
    return version if len(version) == DIGEST_BYTES and key == version_key(version) else None


def history_prefix(name: str, tag: str) -> str:
    return f"{HISTORY}{name}/{tag}/"


def history_key(name: str, tag: str, seq: int) -> str:
    return history_prefix(name, tag) + number(seq)


def tags_prefix(name: str) -> str:
    return f"{TAGS}{name}/"


def tag_key(name: str, tag: str) -> str:
    return f"{tags_prefix(name)}{tag}"


def name_key(name: str, n: int) -> str:
    return f"{NAMES}{name}/{number(n)}"


def marker_key(run: str) -> str:
    return f"{PUBLISHING}{run}"


def gc_key(run: str) -> str:
    return f"{GC}{run}"


def number(value: int) -> str:
    """20 decimal digits with leading zeros."""
    if not 0 <= value <= NUMBER_MAX:
        raise UsageError(f"{value} is no number of a record: 0 to {NUMBER_MAX}")
    return f"{value:0{NUMBER_DIGITS}d}"


def number_of(key: str) -> int:
    """The number that ends a record's key. Raises DecodeError for anything else."""
    digits = key.rpartition("/")[2]
    if len(digits) != NUMBER_DIGITS or not (digits.isascii() and digits.isdigit()):
        raise DecodeError(f"not the key of a record: {key!r}")
    return int(digits)


def name_of(key: str) -> str | None:
    """The dataset that a key under `names/` is about; None for what is no name record's key."""
    name, _, digits = key.removeprefix(NAMES).rpartition("/")
    is_record = key.startswith(NAMES) and len(digits) == NUMBER_DIGITS and digits.isascii() and digits.isdigit()
    return name if is_record and name else None


def is_ours(key: str) -> bool:
    """Whether a store may hold such a key at all; anything else belongs to somebody else."""
    return key == IDENTITY_KEY or any(key.startswith(top) for top in TOP_LEVEL if top.endswith("/"))
