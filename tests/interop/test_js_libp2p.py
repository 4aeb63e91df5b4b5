"""js-libp2p beside us: proof that what we speak is libp2p, and not only what we believe it to be."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import trio

from swarm.errors import TransportError
from swarm.protocol.ids import PeerId
from swarm.protocol.messages import Direction
from tests.transport.peers import Opener, key

SOURCE = Path(__file__).parent / "js"
PEER = ("node", "--import", "./polyfill.mjs", "peer.mjs")

pytestmark = [pytest.mark.node, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the peer and what it needs installed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not here")
    folder = tmp_path_factory.mktemp("js")
    for name in ("package.json", "peer.mjs", "polyfill.mjs"):
        shutil.copy(SOURCE / name, folder)
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    if done.returncode:
        pytest.skip(f"npm could not install: {done.stderr.strip()[-200:]}")
    return folder


async def test_js_libp2p_dials_us_with_noise_and_yamux_and_pings(js: Path) -> None:
    async with Opener("libp2p").transport(1) as host:
        address = f"{host.addresses[0]}/p2p/{host.peer_id}"
        done = await trio.run_process([*PEER, "dial", address, "5"], cwd=js, capture_stdout=True)
    assert json.loads(done.stdout) == {
        "peer": key(1).peer_id,
        "encryption": "/noise",
        "multiplexer": "/yamux/1.0.0",
        "pings": 5,
    }


async def test_we_dial_js_libp2p_and_find_that_it_is_no_peer_of_ours(js: Path) -> None:
    """The encryption and the multiplexer work, its identity is proven; only our protocol is unknown there."""
    command = [*PEER, "listen"]
    with subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        command, cwd=js, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:
        assert peer.stdout is not None
        assert peer.stdin is not None
        address = (await trio.to_thread.run_sync(peer.stdout.readline)).strip()
        async with Opener("libp2p").transport(1) as host:
            with pytest.raises(TransportError, match="/swarm/control/1"):
                await host.dial((address,), Direction.TO_DIALER, peer_id=None)
            with pytest.raises(TransportError):
                await host.dial((address.split("/p2p/")[0],), Direction.TO_DIALER, peer_id=PeerId(key(2).peer_id))
        peer.stdin.close()
