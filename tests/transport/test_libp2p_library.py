"""What is asked of the library itself: when it is imported, what it prints, which of its insides are relied on."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from importlib.metadata import version
from typing import Any

from tests.transport.peers import Opener
from tests.transport.raw_peer import raw_peer


def _in_a_fresh_program(source: str) -> Any:
    """What `source` prints as JSON in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_libp2p_and_zeroconf_are_imported_only_where_a_transport_is_opened() -> None:
    loaded = _in_a_fresh_program("""
        import json, sys
        import swarm.transport.discovery, swarm.transport.libp2p_host, swarm.transport.memory
        print(json.dumps([name for name in ("libp2p", "zeroconf", "asyncio") if name in sys.modules]))
    """)
    assert "libp2p" not in loaded
    assert "zeroconf" not in loaded


TWO_TRANSPORTS = """
import json, sys, trio
from tests.transport.peers import Opener, connect

async def main():
    opener = Opener("libp2p")
    async with opener.transport(1) as one, opener.transport(2) as two:
        await connect(one, two)

trio.run(main)
"""


FAILS_ONCE = """
import sys

class Finder:
    is_used = False

    def find_spec(self, name, path, target=None):
        if name == "libp2p.crypto.x25519" and not self.is_used:
            self.is_used = True
            raise ImportError(name)

sys.meta_path.insert(0, Finder())
"""


def test_only_the_parts_that_are_used_are_imported() -> None:
    """All of it costs half of the time that a fetch may take to begin."""
    loaded = _in_a_fresh_program(TWO_TRANSPORTS + "print(json.dumps(list(sys.modules)))")
    assert "Crypto.PublicKey.RSA" not in loaded
    assert "libp2p.stream_muxer.yamux.yamux" in loaded
    assert "libp2p" not in loaded
    assert not [name for name in loaded if name.startswith(("libp2p.host", "libp2p.network.swarm", "aioquic"))]


def test_the_whole_library_can_still_be_imported_afterwards() -> None:
    kind = _in_a_fresh_program(
        TWO_TRANSPORTS + "import libp2p\nprint(json.dumps(type(libp2p.new_host()).__name__))",
    )
    assert kind == "BasicHost"


def test_the_whole_library_knows_keys_that_ours_does_without() -> None:
    name = _in_a_fresh_program(
        TWO_TRANSPORTS
        + "import libp2p\nfrom libp2p.crypto import rsa, serialization\n"
        + "key = rsa.create_new_key_pair().public_key\n"
        + "print(json.dumps(type(serialization.deserialize_public_key(key.serialize())).__module__))",
    )
    assert name == "libp2p.crypto.rsa"


def test_where_parts_cannot_be_imported_alone_the_whole_library_is() -> None:
    loaded = _in_a_fresh_program(
        FAILS_ONCE + TWO_TRANSPORTS + "print(json.dumps('libp2p.network.swarm' in sys.modules))"
    )
    assert loaded is True


def test_the_root_logger_is_left_alone_and_nothing_is_printed() -> None:
    """The library's connections call `logging.debug` of the root, which installs a handler on standard error."""
    handlers = _in_a_fresh_program("""
        import json, logging, trio
        from tests.transport.peers import Opener, connect
        from swarm.protocol.messages import Direction

        async def main():
            opener = Opener("libp2p")
            async with opener.transport(1) as one, opener.transport(2) as two:
                dialer, acceptor = await connect(one, two)
                await dialer.aclose("done", is_graceful=True)
                await connect(one, two)
        trio.run(main)
        print(json.dumps([len(logging.getLogger().handlers), logging.getLogger().level]))
    """)
    assert handlers == [0, 30]


async def test_the_private_attributes_that_are_relied_on_are_where_they_were() -> None:
    """Fails on an upgrade that moves one of them; then read what uses it before anything else."""
    from libp2p.security.noise.io import NoiseTransportReadWriter  # noqa: PLC0415 - 0.4 s, only here
    from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream  # noqa: PLC0415

    from swarm.transport.libp2p_session import PRIVATE  # noqa: PLC0415

    async with Opener("libp2p").transport(2) as host, raw_peer(host) as peer:
        ours = peer.session._muxed
        muxed = Yamux(ours.secured_conn, ours.peer_id, is_initiator=True)
        for thing, names in ((muxed, PRIVATE["Yamux"]), (YamuxStream(1, muxed, True), PRIVATE["YamuxStream"])):
            for name in names:
                assert hasattr(thing, name), f"{type(thing).__name__}.{name} is gone"
    assert muxed.stream_buffers == {}
    assert "noise_state" in NoiseTransportReadWriter.__init__.__code__.co_varnames


def test_the_library_has_the_version_that_was_read() -> None:
    assert version("libp2p") == "0.8.1", "read yamux.py and security/noise/ again, then move this"
