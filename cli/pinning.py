"""What a word of `swarm pin` means: the directory of a holding, another path, or a dataset's name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cli.call import Call
from cli.ui.wording import printable
from swarm.config.references import parse_dataset

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.holdings import HoldingRecord
    from swarm.holdings.pins import Pin


def named_pin(call: Call, records: Iterable[HoldingRecord]) -> Pin:
    """A directory that holds something is that; else what looks like a path is one; else it is a name. Raises
    UsageError."""
    from swarm.holdings.oserror import real  # noqa: PLC0415
    from swarm.holdings.pins import Pin  # noqa: PLC0415

    word = str(call.options.what)
    directory = real(call.path(word))
    if any(record.directory == directory for record in records) or word.startswith(("/", ".", "~")):
        return Pin(directory=directory)
    parse_dataset(word)
    return Pin(label=word)


def shown(pin: Pin) -> str:
    """For people."""
    return printable(pin.label or os.fsdecode(pin.directory))
