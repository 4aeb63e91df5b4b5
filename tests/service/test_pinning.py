"""Whom a fetch believes: the option, the pin, or both."""

from __future__ import annotations

from pathlib import Path

from swarm.agent.trust import Pinned
from swarm.config.configs import CommonConfig, Pin
from swarm.protocol.ids import Realm
from swarm.protocol.keys import SigningKey
from swarm.service.pinning import pinned, rememberer

ONE, TWO = (SigningKey.from_seed(bytes([number]) * 32) for number in (1, 2))
REALM = Realm(bytes(16))


def test_an_option_is_for_one_fetch_where_there_is_a_pin_and_makes_one_where_there_is_none(tmp_path: Path) -> None:
    config = CommonConfig(home=tmp_path)
    assert pinned(config, "data") is None
    assert pinned(config, "data", ONE.fingerprint) == Pinned(ONE.public_key, None, is_kept=False)
    rememberer(config)("data", Pinned(ONE.public_key, REALM))
    assert pinned(config, "data") == Pinned(ONE.public_key, REALM)
    assert pinned(config, "data", ONE.fingerprint) == Pinned(ONE.public_key, REALM)
    assert pinned(config, "data", TWO.fingerprint) == Pinned(TWO.public_key, None)


def test_a_pin_of_the_file_counts_as_one(tmp_path: Path) -> None:
    config = CommonConfig(home=tmp_path, trust={"data": Pin(ONE.fingerprint)})
    assert pinned(config, "data", TWO.fingerprint) == Pinned(TWO.public_key, None)
