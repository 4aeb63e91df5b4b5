"""The words of `[store-options]` as the store's own options. Apart from the rest, because the store loads trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.config.configs import CommonConfig
from swarm.config.file import FILE_NAME
from swarm.errors import UsageError

if TYPE_CHECKING:
    from swarm.store import StoreOptions


def options_of(config: CommonConfig) -> StoreOptions:
    """For `open_store(config.store, options_of(config))`. Raises UsageError that names the file."""
    from swarm.store import options_from  # noqa: PLC0415  # trio, which the front page must not load

    try:
        return options_from(config.store_options)
    except UsageError as error:
        raise UsageError(f"{config.home / FILE_NAME} [store-options]: {error.message}", hint=error.hint) from None
