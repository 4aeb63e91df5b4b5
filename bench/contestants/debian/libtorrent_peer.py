"""One libtorrent peer, run by Debian's Python: `libtorrent_peer.py TORRENT DIRECTORY IP:PORT`.

Prints READY, then DONE when it has everything (a seed: at once), and gives until it is ended.
"""

import sys
import time

import libtorrent

CHECK_S = 0.02


def main() -> None:
    """Until it is ended."""
    torrent, directory, listen = sys.argv[1:]
    session = libtorrent.session(
        {
            "listen_interfaces": listen,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_utp": False,
            "enable_incoming_utp": False,
            "out_enc_policy": int(libtorrent.enc_policy.disabled),
            "in_enc_policy": int(libtorrent.enc_policy.disabled),
            "allow_multiple_connections_per_ip": True,
            "min_announce_interval": 5,
        }
    )
    handle = session.add_torrent({"ti": libtorrent.torrent_info(torrent), "save_path": directory})
    print("READY", flush=True)
    while not handle.status().is_seeding:
        time.sleep(CHECK_S)
    print("DONE", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
