"""What an origin gives across the border of its site, and which foreign sites starve. Asked only where there are any.

Its own site comes first: foreign ones then take each block from there, once. Only what nobody in the own site lacks is
given across, or what a site lacks that starves: somebody near may never take what he says he lacks, or lie about it.
"""

from __future__ import annotations

from swarm.exchange.session import Session
from swarm.exchange.state import State
from swarm.protocol.ids import VersionId

MEET_S = 0.5
"""So long after its first neighbour an origin gives nothing across its site's border: agents of its own site, who would
then have to take it back over the border, may be about to come. Crowds begin together."""

STARVED_S = 15.0
"""A foreign site that gains nothing for this long, though it lacks something, has no use of those who claim to hold it.
Over a thin border a block takes long: at 1 Mbit/s two of 1 MiB take 16 s, and seldom end together. For as long again it
is given what it lacks, whatever the own site lacks."""


class Exports:
    """By version."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._met_at: dict[VersionId, float] = {}
        """When the first receiver of a version came, of those that are there."""
        self._lacked_near: dict[VersionId, int] = {}
        """What agents of the own site lack, while one round of offers lasts."""
        self._gains: dict[VersionId, dict[str, tuple[int, float]]] = {}
        """What each foreign site has (a sum), and since when."""
        self._starved: dict[VersionId, tuple[int, float]] = {}
        """What sites lack that starve, and until when they are given it."""

    def meet(self, version: VersionId) -> None:
        """A receiver has opened a version, and is the only one."""
        self._met_at[version] = self._state.now

    def part(self, version: VersionId) -> None:
        """The last receiver has gone."""
        self._met_at.pop(version, None)
        self._starved.pop(version, None)
        self._gains.pop(version, None)

    def begin(self) -> None:
        """A round of offers begins: what is lacked may have changed since the last one."""
        self._lacked_near.clear()

    def permitted(self, session: Session) -> int:
        """What may be given across now."""
        now, version = self._state.now, session.version
        if now - self._met_at[version] < MEET_S:
            return 0
        lacked = self._lacked_near.get(version)
        if lacked is None:
            lacked = self._lacked_near[version] = self.lacked(session, self._state.sites.own)
        starved, until = self._starved.get(version, (0, now))
        return session.all & ~lacked | (starved if now < until else 0)

    def lacked(self, session: Session, site: str | None = None) -> int:
        """By any neighbour, or by those of one site."""
        lacked = 0
        for peer in session.neighbours.values():
            if site is None or self._state.sites.of(peer) == site:
                lacked |= peer.possessions[session.version].lacks
        return lacked

    def starved(self, session: Session) -> int:
        """What foreign sites lack that have gained nothing for long. Asked once a second."""
        sites, now, starved = self._state.sites, self._state.now, 0
        gains = self._gains.setdefault(session.version, {})
        foreign = {sites.of(peer): None for peer in session.neighbours.values() if sites.is_foreign(peer)}
        for site in foreign:
            has, lacks = self._has(session, site), self.lacked(session, site)
            before, since = gains.get(site, (-1, now))
            if has != before or not lacks:
                gains[site] = (has, now)
            elif now - since >= STARVED_S:
                starved |= lacks
        for site in [site for site in gains if site not in foreign]:
            del gains[site]
        if starved:
            self._starved[session.version] = (starved, now + STARVED_S)
        return starved

    def _has(self, session: Session, site: str) -> int:
        return sum(
            peer.possessions[session.version].have.bit_count()
            for peer in session.neighbours.values()
            if self._state.sites.of(peer) == site
        )
