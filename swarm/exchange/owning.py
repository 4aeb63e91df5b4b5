"""Who reads what from the store where no tracker leases: a few readers, and among these an owner for each block.

Neighbours differ from agent to agent. Hashed over neighbours alone, a block has an owner in every neighbourhood (1.4
copies left the store, 48 peers, simulated), and a fleet that reads all at once waits long for each block. So only those
with the least seeds read, eight at once, as under a tracker; each must know of all that come before it. Whoever knows
of fewer than eight such asks those whom discovery has named, and waits for the answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from swarm.exchange.bitset import choose, full, indexes_of
from swarm.exchange.dialling import Dialling
from swarm.exchange.ownership import is_in_first_share, rank, score, seed_of
from swarm.exchange.session import Session
from swarm.exchange.state import State
from swarm.protocol.ids import AgentId, VersionId

READERS = 8
"""Agents that read at once. More share the store's line, and each block takes longer to come."""

LOOKED_AT_MAX = 256
"""Blocks looked at for one that is ours: with eight owners one in eight is."""

SEEDS_MAX = 65536
"""Remembered seeds of agents: a cache."""

DISCOVERY_S = 0.5
"""Nothing is read before: in a crowd that begins at once everybody is alone for a moment."""


class Owning:
    """By version. Asked only where no tracker leases."""

    def __init__(self, state: State, dialling: Dialling) -> None:
        self._state = state
        self._dialling = dialling
        self._seeds: dict[tuple[AgentId, VersionId], int] = {}
        self._unanswered: dict[VersionId, int] = {}
        """Agents that would come before this one, and of whom it is not known yet whether they take part."""

    def forget(self, version: VersionId) -> None:
        """The version is given up."""
        self._unanswered.pop(version, None)
        self._state.colleagues = ()

    # --- who reads ------------------------------------------------------------------------------

    def seek(self, session: Session) -> None:
        """Meets those who come before this agent, as long as fewer are known than read. Called each tick."""
        own, version = self._seed(self._state.agent, session.version), session.version
        missing = READERS - sum(seed < own for seed in self._others(session))
        self._unanswered.pop(version, None)
        self._state.colleagues = ()
        if missing <= 0:
            return
        known = sorted((self._seed(agent, version), agent) for agent in self._dialling.known_of(version))
        if len(known) < READERS or known[READERS - 1][0] > own:
            # The first are let in even where all room is taken: they must know of each other.
            self._state.colleagues = tuple(agent for _, agent in known[:READERS])
        asked, unasked = self._dialling.unmet(session)
        before = sorted((seed, agent) for agent in unasked if (seed := self._seed(agent, version)) < own)
        answering = sum(self._seed(agent, version) < own for agent in asked)
        self._unanswered[version] = answering + len(before)
        if missing > answering:
            if len(known) >= 2 * READERS and known[2 * READERS - 1][0] < own:
                # Who is far behind asks any: the first would be dialled by everybody.
                before = [pair for pair in before if pair[0] > known[READERS - 1][0]]
                self._state.rng.shuffle(before)
            self._dialling.dial([agent for _, agent in before[: missing - answering]])

    def _others(self, session: Session) -> dict[int, AgentId]:
        """Living neighbours that read the store and lack something, by seed."""
        version = session.version
        return {
            self._seed(peer.agent, version): peer.agent
            for peer in session.neighbours.values()
            if peer.reads_store and peer.possessions[version].lacks
        }

    def _readers(self, session: Session) -> tuple[int, dict[int, AgentId]]:
        """How many come before this agent; and the other readers, by seed."""
        own, others = self._seed(self._state.agent, session.version), self._others(session)
        before = sum(seed < own for seed in others) + self._unanswered.get(session.version, 0)
        return before, {seed: others[seed] for seed in sorted(others)[: READERS - (before < READERS)]}

    def _ranks(self, session: Session) -> int:
        """How many of those who come first are no longer waited for."""
        return self._state.policies.patience.ranks(self._state.now - session.news_at)

    # --- what it reads --------------------------------------------------------------------------

    def find(self, session: Session, candidates: int) -> int | None:
        """One of the candidates that is this agent's to read now."""
        ranks = self._ranks(session)
        before, others = self._readers(session)
        if before >= READERS * (1 + ranks) or self._is_alone_yet(session):
            return None
        own = self._seed(self._state.agent, session.version)
        is_early, failed = self._is_early(session), self._failed(session, others)
        pages = candidates & full(session.page_count)
        for index in self._some(pages or candidates):
            if is_early and not is_in_first_share(own, index):
                continue
            able = [seed for seed in others if not failed[seed] >> index & 1]
            if not able or rank(own, able, index) <= ranks:
                return index
        return None

    def _failed(self, session: Session, others: dict[int, AgentId]) -> dict[int, int]:
        """What each of them could not get from the store."""
        return {seed: session.neighbours[a].possessions[session.version].store_failed for seed, a in others.items()}

    def _some(self, candidates: int) -> Iterator[int]:
        """Up to `LOOKED_AT_MAX` of them, others each time. Who is alone takes the first: the rest is not drawn."""
        if candidates.bit_count() > LOOKED_AT_MAX:
            for _ in range(LOOKED_AT_MAX):
                yield choose(candidates, self._state.rng)
            return
        some = list(indexes_of(candidates))
        self._state.rng.shuffle(some)
        yield from some

    def _is_early(self, session: Session) -> bool:
        """Whether others may be about to be discovered."""
        return self._age_s(session) < self._state.policies.patience.lan_s

    def _is_alone_yet(self, session: Session) -> bool:
        """Whether it is too early to take anybody's absence for an answer."""
        return self._age_s(session) < min(DISCOVERY_S, self._state.policies.patience.lan_s)

    def _age_s(self, session: Session) -> float:
        return self._state.now - session.opened_at if self._state.config.waits_for_lan else float("inf")

    def _seed(self, agent: AgentId, version: VersionId) -> int:
        seed = self._seeds.get((agent, version))
        if seed is None:
            if len(self._seeds) >= SEEDS_MAX:
                self._seeds.clear()
            seed = self._seeds[agent, version] = seed_of(agent, version)
        return seed

    # --- questions ------------------------------------------------------------------------------

    def waits_for_others(self, session: Session, index: int) -> bool:
        """Whether a block is not read yet since others may be about to be discovered."""
        own = self._seed(self._state.agent, session.version)
        return self._is_early(session) and (self._is_alone_yet(session) or not is_in_first_share(own, index))

    def owner(self, session: Session, index: int) -> tuple[int, AgentId | None]:
        """How many times longer than its owner this agent waits for a block; and who that is, if not this agent."""
        before, others = self._readers(session)
        ordered = sorted((score(seed, index), agent) for seed, agent in others.items())
        turn = rank(self._seed(self._state.agent, session.version), others, index)
        return max(turn, before // READERS), ordered[0][1] if ordered else None
