"""What a tracker service is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swarm.protocol.ids import PeerId, Realm
from swarm.protocol.keys import SigningKey
from swarm.protocol.messages import Direction, Hello
from swarm.tracker.agents.handout import Degree
from swarm.tracker.agents.sites import Network
from swarm.tracker.leasing.budget import OriginBudget
from swarm.tracker.leasing.pace import Pace


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """`key` is the tracker's: its transport's identity, and what signs leases.

    `realm`: without a store, whose records are taken; None: those of the first record's. With a store it is the
    store's. `http`: (ip, port) pairs. `trackers`: other trackers' URLs, told to whoever asks. `presigns`: the store
    makes URLs (S3 with credentials), so that agents need none. `is_first_start`: no earlier tracker with this key can
    have leases out (the key was just made): it need not listen before it grants. `shows_versions`: anybody may ask over
    HTTP how many take part in which version; not where a secret keeps strangers out.
    """

    key: SigningKey = field(repr=False)
    realm: Realm | None = None
    http: tuple[tuple[str, int], ...] = ()
    trackers: tuple[str, ...] = ()
    sites: tuple[tuple[Network, str], ...] = ()
    presigns: bool = False
    is_first_start: bool = False
    shows_versions: bool = False
    budget: OriginBudget = field(default_factory=OriginBudget)
    degree: Degree = field(default_factory=Degree)
    pace: Pace = field(default_factory=Pace)


class TrackerHello:
    """Makes a tracker's hellos: the `HelloMaker` of its transport. `open_tracker` sets `realm_of`, which may change."""

    def __init__(self, key: SigningKey, realm: Realm | None = None) -> None:
        self._key = key
        self.realm_of: Callable[[], Realm | None] = lambda: realm

    def __call__(self, direction: Direction, dial_nonce: bytes | None) -> Hello:
        """The transport fills in peer id and nonce."""
        return Hello(
            realm=self.realm_of(),
            agent_id=self._key.agent_id,
            agent_proof=None,
            peer_id=PeerId(""),
            site="",
            direction=direction,
            is_origin=False,
            reads_store=False,
            is_tracker=True,
            nonce=b"",
            dial_nonce=dial_nonce,
        )
