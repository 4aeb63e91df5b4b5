"""Why no other machine can connect to this one, said before anybody wonders: the first surprise on a public address."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from cli.call import Call
from swarm.config.addresses import is_private
from swarm.config.configs import CommonConfig
from swarm.config.interfaces import interface_addresses


def warn_if_unheard(call: Call, config: CommonConfig) -> None:
    """Where swarm listens on loopback only, unasked, although this machine has an address that others could reach."""
    if call.options.listen or not all(ip_address(each.ip).is_loopback for each in config.listen):
        return
    if call.command == "fetch" and not (config.tracker or config.lan):
        return  # nobody hears of it anyway
    public = [ip for ip in interface_addresses() if not is_private(ip)]
    if public and not _stays_here(config):
        # A fetch works all the same, only its neighbours must be the ones to listen: no warning in each of its logs.
        tell = call.screen.say if call.command == "fetch" else call.screen.warn
        tell(
            f"other machines cannot connect to this one: {public[0]} is a public address, and there is no secret; "
            "set SWARM_SECRET on all machines, or say --open to let anybody in"
        )


def _stays_here(config: CommonConfig) -> bool:
    """Whether every tracker is this machine's own: then nobody else is expected."""
    hosts = [urlsplit(tracker).hostname if "://" in tracker else tracker.split("/")[2] for tracker in config.tracker]
    return bool(hosts) and all(host in ("localhost", "::1") or (host or "").startswith("127.") for host in hosts)
