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

from sim.scenario import MBIT, Group

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
    _refuse_unknown("the file", table, ("group", "origin", "borders", "price_per_gb"))
    entries = table.get("group")
    if not isinstance(entries, list) or not entries:
        raise FleetError("there is no [[group]]: each needs a count, up and down (Mbit/s)")
    groups = tuple(_group(number, entry) for number, entry in enumerate(entries, 1))
    sites = {group.site for group in groups}
    origin = _table("[origin]", table.get("origin", {}), ("kind", "up", "site"))
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
        price_per_gb=None if price is None else _number("the file", "price_per_gb", price, lambda value: value >= 0),
    )
    if fleet.count > COUNT_MAX:
        raise FleetError(f"{fleet.count} machines are more than {COUNT_MAX}")
    return fleet


def _group(number: int, entry: Any) -> Group:
    table = _table(f"group {number}", entry, ("name", "count", "up", "down", "site", "latency_ms"))
    where = f"group {table.get('name', number)}"
    for key in ("count", "up", "down"):
        if key not in table:
            raise FleetError(f"{where}: {key} is missing")
    count = table["count"]
    if type(count) is not int or count < 1:
        raise FleetError(f"{where}: count must be a whole number above 0, not {count!r}")
    return Group(
        _text(where, "name", table.get("name", f"group {number}")),
        count,
        _rate(where, "up", table["up"]),
        _rate(where, "down", table["down"]),
        _text(where, "site", table.get("site", "")),
        _number(where, "latency_ms", table.get("latency_ms", 1), lambda value: 0 <= value <= 10_000) / 1000,
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


def _text(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise FleetError(f"{where}: {key} must be text, not {value!r}")
    return value
