"""Scenarios in TOML: the fields of `Scenario` by their names, checked; what is not there is as in the class.

Rates are bytes per second, or text with a unit (`"100 Mbit"`). Outages are tables with `begins` and `ends`. `without`
names rules that are left out. docs/scenario.toml is an example.
"""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sim.rules import RULES, without
from sim.scenario import MBIT, Outage, Scenario

RATES = ("up", "down", "seeder_up", "store_up", "border")
OUTAGES = ("tracker_outage", "store_outage")
UNITS = {"kbit": MBIT / 1000, "mbit": MBIT, "gbit": MBIT * 1000}

INNER = ("policies", "groups", "borders", "origin_site", "computers", "origin_computers")
"""Fields that a scenario file does not say: rules go by name, whole fleets are for `python -m sim plan`."""

PEERS_MAX = 100_000
BLOCKS_MAX = 1_000_000
"""More would never end: a block that goes from one machine to another takes a millisecond or more."""


class ScenarioError(Exception):
    """A file does not say a scenario; the text names the file, the key and what may stand there."""


def read_scenario(path: Path) -> Scenario:
    """The scenario of a file; it is named by the file where it names itself not. Raises ScenarioError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    try:
        return make_scenario({"name": path.stem, "about": f"from {path.name}", **table})
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from error


def make_scenario(table: dict[str, Any]) -> Scenario:
    """Raises ScenarioError."""
    known = {field.name: field for field in fields(Scenario) if field.name not in INNER}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "without":
            values["policies"] = without(Scenario().policies, _rules(value))
        elif key in known:
            values[key] = _value(known[key], value)
        else:
            raise ScenarioError(f"there is no {key!r}{_nearest(key, [*known, 'without'])}")
    scenario = Scenario(**values)
    _check(scenario)
    return scenario


def _value(field: Field[Any], value: Any) -> Any:
    name = field.name
    if name in RATES:
        return _rate(name, value)
    if name in OUTAGES:
        return _outage(name, value)
    if name == "links":
        return _links(value)
    if name == "first_byte_s":
        low, high = _numbers(name, value, 2)
        return low, high
    default = 0.0 if field.default is None or field.default is MISSING else field.default
    return _plain(name, value, type(default))


def _plain(name: str, value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        raise ScenarioError(f"{name} must be {words[kind]}, not {value!r}")
    return value


def _rate(name: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        rate = float(value)
    else:
        number, _, unit = str(value).partition(" ")
        factor = UNITS.get(unit.lower().removesuffix("/s"))
        try:
            rate = float(number) * (factor or 0.0)
        except ValueError:
            rate = 0.0
    if not 0 < rate < float("inf"):
        raise ScenarioError(f'{name} must be a rate: bytes per second, or text such as "100 Mbit", not {value!r}')
    return rate


def _outage(name: str, value: Any) -> Outage:
    if not isinstance(value, dict) or set(value) != {"begins", "ends"}:
        raise ScenarioError(f"{name} must be a table of `begins` and `ends` (parts of the fluid limit), not {value!r}")
    begins, ends = _numbers(name, [value["begins"], value["ends"]], 2)
    return Outage(begins, ends)


def _links(value: Any) -> tuple[tuple[float, float, float], ...]:
    if not isinstance(value, list) or not value:
        raise ScenarioError(f"links must be a list of [weight, up, down], not {value!r}")
    links: list[tuple[float, float, float]] = []
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 3:
            raise ScenarioError(f"links must be a list of [weight, up, down]; one is {entry!r}")
        (weight,) = _numbers("a weight", entry[:1], 1)
        if weight <= 0:
            raise ScenarioError(f"a weight of links must be above 0, not {weight}")
        links.append((weight, _rate("links: up", entry[1]), _rate("links: down", entry[2])))
    return tuple(links)


def _numbers(name: str, value: Any, count: int) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != count or any(type(each) not in (int, float) for each in value):
        raise ScenarioError(f"{name} must be {count} numbers, not {value!r}")
    return tuple(float(each) for each in value)


def _rules(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ScenarioError(f"without must be a list of rules, not {value!r}")
    for name in value:
        if name not in RULES:
            raise ScenarioError(f"without: there is no rule {name!r}{_nearest(str(name), list(RULES))}")
    return value


def _check(scenario: Scenario) -> None:
    for name in ("peers", "blocks", "block_size", "sites"):
        if getattr(scenario, name) < 1:
            raise ScenarioError(f"{name} must be at least 1")
    if scenario.peers > PEERS_MAX or scenario.blocks > BLOCKS_MAX:
        raise ScenarioError(f"at most {PEERS_MAX} peers and {BLOCKS_MAX} blocks can be simulated")
    for name in ("slow", "liars", "hidden", "killed", "vanishing", "joining", "frozen", "store_refuses"):
        if not 0 <= getattr(scenario, name) <= 1:
            raise ScenarioError(f"{name} is a part of all: between 0 and 1")
    for name in ("latency_s", "queue_s", "spread_s", "clock_skew_s", "resets_per_s", "grace_s", "seeders"):
        if getattr(scenario, name) < 0:
            raise ScenarioError(f"{name} cannot be negative")
    if scenario.seeders == 0 and scenario.store_up is None:
        raise ScenarioError("there is no origin: say seeders or store_up")
    if scenario.latency_to_s is not None and not 0 < scenario.latency_s <= scenario.latency_to_s:
        raise ScenarioError("latency_to_s must be at least latency_s, and that above 0")


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(known))}"
