"""The parts of py-libp2p that are used, imported without the rest of it. No other module imports libp2p.

`import libp2p` runs the package's `__init__`, which imports every transport, discovery and routing there is: 0.4 s on
an idle machine, 1,100 modules and 60 MB, for a handshake and a multiplexer. Here its packages are hollow while parts
are imported (their modules can be found, their `__init__` does not run): a quarter of both. Afterwards the hollow ones
are gone, so that a later `import libp2p` is the real thing; and where a part cannot be imported this way, all of it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NoReturn

_HOLLOW = (
    "libp2p",
    "libp2p.network",
    "libp2p.network.connection",
    "libp2p.security",
    "libp2p.tools",
    "libp2p.tools.anyio_service",
    "libp2p.transport",
    "libp2p.transport.quic",
)

_STAND_INS = {
    # Only named in a type alias; the real one needs a QUIC implementation.
    "libp2p.transport.quic.stream": ("QUICStream",),
    # A base of an interface that is not used.
    "libp2p.tools.anyio_service.api": ("ServiceAPI",),
    # Our peers have Ed25519 keys; RSA alone imports a second cryptographic library, and a compiler's parser for it.
    "libp2p.crypto.rsa": ("RSAPrivateKey", "RSAPublicKey"),
}
"""Modules of which nothing but these names is needed."""

_MARKED = "libp2p.crypto.serialization"
"""Has a stand-in's names in a table of its own: a later import makes its own."""

_PARTS = ("libp2p.stream_muxer.yamux.yamux", "libp2p.security.noise.transport", "libp2p.crypto.x25519")


def _load() -> None:
    if "libp2p" in sys.modules:
        return
    try:
        with _hollow_packages():
            for name in _PARTS:
                importlib.import_module(name)
    except (ImportError, AttributeError):
        # Another version has other entanglements: slower, and as good.
        for name in [name for name in sys.modules if name.partition(".")[0] == "libp2p"]:
            del sys.modules[name]


@contextmanager
def _hollow_packages() -> Iterator[None]:
    found = importlib.util.find_spec("libp2p")
    if found is None or found.submodule_search_locations is None:
        raise ImportError("libp2p is not installed")
    root = Path(found.submodule_search_locations[0]).parent
    modules = {name: _hollow(name, root) for name in _HOLLOW}
    modules |= {name: _stand_in(name, names) for name, names in _STAND_INS.items()}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in (*modules, _MARKED):
            sys.modules.pop(name, None)


def _hollow(name: str, root: Path) -> ModuleType:
    module = ModuleType(name)
    module.__path__ = [str(root.joinpath(*name.split(".")))]
    return module


def _stand_in(name: str, names: tuple[str, ...]) -> ModuleType:
    module = ModuleType(name)
    for each in names:
        module.__dict__[each] = type(each, (), {"from_bytes": staticmethod(_refuse)})
    return module


def _refuse(_data: bytes) -> NoReturn:
    raise ValueError("an identity of a kind that no peer of ours has")


_load()

from libp2p.crypto.ed25519 import create_new_key_pair  # noqa: E402 - after the packages were hollow
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair  # noqa: E402
from libp2p.exceptions import BaseLibp2pError  # noqa: E402
from libp2p.peer.id import ID  # noqa: E402
from libp2p.security.noise.transport import Transport as NoiseTransport  # noqa: E402
from libp2p.stream_muxer.yamux.yamux import (  # noqa: E402
    DEFAULT_WINDOW_SIZE,
    TYPE_DATA,
    YAMUX_HEADER_FORMAT,
    Yamux,
    YamuxStream,
)

__all__ = [
    "DEFAULT_WINDOW_SIZE",
    "ID",
    "TYPE_DATA",
    "YAMUX_HEADER_FORMAT",
    "BaseLibp2pError",
    "NoiseTransport",
    "Yamux",
    "YamuxStream",
    "create_new_key_pair",
    "create_noise_key_pair",
]
