"""Sizes, rates and durations as people write them, and back.

`10MB` is 10,000,000 bytes, `1MiB` is 1,048,576, `100Mbit` is 12,500,000 bytes (a second). A lone small `b` is refused:
half of the world reads it as bits. Every parser raises UsageError with the forms that it would have taken.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from swarm.errors import UsageError

_NUMBER = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*?)\s*(/s|ps)?\s*$")
_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50}
_UNIT = re.compile(r"^([kmgtp]i?)?(B|bytes?|bits?|b)?$", re.IGNORECASE)

_SECONDS = {
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}

QUANTITY_MAX = 2**62
"""Larger numbers are a slip of the keyboard, and would not fit the formats."""


def parse_size(text: str) -> int:
    """Bytes of `4096`, `64KiB`, `1.5GB`."""
    amount, bits = _bytes_and_kind(text, "size", "64KiB, 1.5GB or a number of bytes")
    if bits:
        raise UsageError(f"{text!r} counts bits; a size is in bytes", hint="write for example 64KiB or 1.5GB")
    return amount


def parse_rate(text: str) -> int | None:
    """Bytes per second of `10MB`, `100Mbit`, `1.5MiB/s`; None for `none`."""
    if text.strip().lower() in ("none", "unlimited"):
        return None
    amount, _ = _bytes_and_kind(text, "rate", "10MB, 1.5MiB/s or 100Mbit")
    if amount == 0:
        raise UsageError(
            f"a rate of {text!r} would stop everything",
            hint="write for example 10MB, 1.5MiB/s or 100Mbit; none for no limit",
        )
    return amount


def parse_duration(text: str) -> float:
    """Seconds of `30`, `30s`, `5min`, `2h`, `500ms`; `forever` is infinite."""
    if text.strip().lower() == "forever":
        return math.inf
    found = _NUMBER.match(text)
    unit = found.group(2).lower() if found else ""
    if not found or found.group(3) or (unit and unit not in _SECONDS):
        raise UsageError(f"{text!r} is not a duration", hint="write for example 30s, 5min, 2h or 500ms")
    return float(found.group(1)) * _SECONDS.get(unit, 1.0)


def parse_linger(text: str) -> float | None:
    """Seconds, or None for `auto`."""
    return None if text.strip().lower() == "auto" else parse_duration(text)


def show_size(amount: float) -> str:
    """`1.5 GB`: three digits are enough for a person; the exact number is in `--json`."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        # Half a last digit below the step, so that 999,999 is "1.00 MB" and not "1000 kB".
        if amount >= factor * 0.9995:
            return f"{_three_digits(amount / factor)} {unit}"
    return f"{amount:.0f} B"


def show_rate(bytes_per_second: float) -> str:
    """`12.5 MB/s`."""
    return f"{show_size(bytes_per_second)}/s"


def show_duration(seconds: float) -> str:
    """`0.42 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if math.isinf(seconds):
        return "forever"
    if seconds < 9.95:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _bytes_and_kind(text: str, noun: str, forms: str) -> tuple[int, bool]:
    found = _NUMBER.match(text)
    # "Mbps" arrives as unit "Mb" with suffix "ps": megabits, as everybody means it.
    unit = _UNIT.match(found.group(2)) if found else None
    if not found or not unit or (found.group(3) and noun == "size"):
        raise UsageError(f"{text!r} is not a {noun}", hint=f"write for example {forms}")
    prefix, word = (unit.group(1) or "").lower(), unit.group(2) or ""
    bits = word.lower().startswith("bit") or (word == "b" and found.group(3) == "ps")
    if (word == "b" and not bits) or (prefix and not word):
        number = found.group(1)
        shown = prefix.capitalize() if prefix != "k" else prefix
        raise UsageError(
            f"{text!r} could mean bytes or bits", hint=f"write {number}{shown}B for bytes, {number}{shown}bit for bits"
        )
    factor = _DECIMAL.get(prefix) or _BINARY[prefix]
    exact = Decimal(found.group(1)) * factor / (8 if bits else 1)
    if exact > QUANTITY_MAX:
        raise UsageError(f"{text!r} is larger than anything", hint=f"write for example {forms}")
    return int(exact), bits


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
