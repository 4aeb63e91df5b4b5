"""A user's fleet in TOML: groups of machines that are alike, where the version comes from, what a gigabyte costs.

docs/fleet.toml is an example. Rates are megabits per second, latencies milliseconds one way.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sim.scenario import MBIT, Computers, Group

COUNT_MAX = 10_000_000
"""Machines in all. Only some are simulated, but their sum must stay a number that a person can have meant."""


class FleetError(Exception):
    """A file does not say a fleet; the text names the file, the key and what may stand there."""


@dataclass(frozen=True)
class Fleet:
    """Rates in bytes per second. `origin_is_store`: agents read it under leases; else a seeder gives it."""

    groups: tuple[Group, ...]
    origin_up: float
    origin_is_store: bool = False
    origin_site: str = ""
    borders: tuple[tuple[str, float], ...] = ()
    computers: tuple[tuple[str, Computers], ...] = ()
    origin_computers: str = ""
    price_per_gb: float | None = None

    @property
    def count(self) -> int:
        """Machines in all."""
        return sum(group.count for group in self.groups)


def read_fleet(path: Path) -> Fleet:
    """Raises FleetError."""
    try:
        return make_fleet(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, FleetError) as error:
        raise FleetError(f"{path}: {error}") from error


def make_fleet(table: dict[str, Any]) -> Fleet:
    """Raises FleetError."""
    _refuse_unknown("the file", table, ("group", "origin", "borders", "computers", "price_per_gb"))
    entries = table.get("group")
    if not isinstance(entries, list) or not entries:
        raise FleetError("there is no [[group]]: each needs a count, up and down (Mbit/s)")
    computers = _computers(table.get("computers", {}))
    groups = tuple(_group(number, entry, tuple(computers)) for number, entry in enumerate(entries, 1))
    sites = {group.site for group in groups}
    origin = _table("[origin]", table.get("origin", {}), ("kind", "up", "site", "computers"))
    kind = origin.get("kind", "seeder")
    if kind not in ("seeder", "store"):
        raise FleetError(f'[origin]: kind must be "seeder" or "store", not {kind!r}')
    borders = _table("[borders]", table.get("borders", {}), tuple(sites | {str(origin.get("site", ""))}))
    price = table.get("price_per_gb")
    fleet = Fleet(
        groups,
        origin_up=_rate("[origin]", "up", origin.get("up", max(group.up for group in groups) / MBIT)),
        origin_is_store=kind == "store",
        origin_site=_text("[origin]", "site", origin.get("site", groups[0].site)),
        borders=tuple((site, _rate("[borders]", site, rate)) for site, rate in borders.items()),
        computers=tuple(computers.items()),
        origin_computers=_known_computers("[origin]", origin, tuple(computers)),
        price_per_gb=None if price is None else _number("the file", "price_per_gb", price, lambda value: value >= 0),
    )
    if fleet.count > COUNT_MAX:
        raise FleetError(f"{fleet.count} machines are more than {COUNT_MAX}")
    return fleet


def _computers(value: Any) -> dict[str, Computers]:
    if not isinstance(value, dict):
        raise FleetError(f"[computers] must be a table of tables, not {value!r}")
    found = {}
    for name, entry in value.items():
        where = f"[computers.{name}]"
        table = _table(where, entry, ("cores", "agents", "speed"))
        found[name] = Computers(
            _count(where, "cores", table.get("cores", 1)),
            _count(where, "agents", table.get("agents", 1)),
            _number(where, "speed", table.get("speed", 1.0), lambda speed: speed > 0),
        )
    return found


def _known_computers(where: str, table: dict[str, Any], known: tuple[str, ...]) -> str:
    name = _text(where, "computers", table.get("computers", ""))
    if name and name not in known:
        there = f"there are: {', '.join(known)}" if known else "say what they are: [computers.NAME] with cores"
        raise FleetError(f"{where}: there are no computers {name!r}; {there}")
    return name


def _group(number: int, entry: Any, computers: tuple[str, ...]) -> Group:
    table = _table(f"group {number}", entry, ("name", "count", "up", "down", "site", "latency_ms", "computers"))
    where = f"group {table.get('name', number)}"
    for key in ("count", "up", "down"):
        if key not in table:
            raise FleetError(f"{where}: {key} is missing")
    return Group(
        _text(where, "name", table.get("name", f"group {number}")),
        _count(where, "count", table["count"]),
        _rate(where, "up", table["up"]),
        _rate(where, "down", table["down"]),
        _text(where, "site", table.get("site", "")),
        _number(where, "latency_ms", table.get("latency_ms", 1), lambda value: 0 <= value <= 10_000) / 1000,
        _known_computers(where, table, computers),
    )


def _table(where: str, value: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FleetError(f"{where} must be a table, not {value!r}")
    _refuse_unknown(where, value, keys)
    return value


def _refuse_unknown(where: str, table: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            near = get_close_matches(key, keys, 1)
            known = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(keys))}"
            raise FleetError(f"{where}: there is no {key!r}; {known}")


def _rate(where: str, key: str, value: Any) -> float:
    return _number(where, key, value, lambda rate: rate > 0) * MBIT


def _number(where: str, key: str, value: Any, is_legal: Callable[[float], bool]) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or not is_legal(value):
        raise FleetError(f"{where}: {key} cannot be {value!r}")
    return float(value)


def _count(where: str, key: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        raise FleetError(f"{where}: {key} must be a whole number above 0, not {value!r}")
    return value


def _text(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise FleetError(f"{where}: {key} must be text, not {value!r}")
    return value
