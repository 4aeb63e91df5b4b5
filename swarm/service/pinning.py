"""From the configuration's pins to what `swarm.agent.trust` goes by, and back on first use."""

from __future__ import annotations

from collections.abc import Callable

from swarm.agent.trust import Pinned
from swarm.config.configs import CommonConfig, Pin
from swarm.config.pins import Pins
from swarm.protocol.keys import fingerprint, parse_fingerprint


def pinned(config: CommonConfig, name: str, publisher: str | None = None) -> Pinned | None:
    """Whom to believe about a name: the option first, else the pin. An option is for one fetch where there is a pin,
    and makes one where there is none."""
    pin = Pins.of(config).find(name)
    if publisher is not None:
        realm = pin.realm if pin is not None and pin.publisher == publisher else None
        return Pinned(parse_fingerprint(publisher), realm, is_kept=pin is not None)
    return None if pin is None else Pinned(parse_fingerprint(pin.publisher), pin.realm)


def rememberer(config: CommonConfig) -> Callable[[str, Pinned], None]:
    """Writes a pin on first use."""

    def remember(name: str, pin: Pinned) -> None:
        Pins.of(config).add(name, Pin(fingerprint(pin.key), pin.realm))

    return remember
