"""Asking what exists, for commands that only look: no fetch, no pin, no listening."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from swarm.agent.resolve import Resolver
from swarm.config.configs import CommonConfig
from swarm.service.assembly import fresh_key, open_parts


@asynccontextmanager
async def open_resolver(config: CommonConfig) -> AsyncIterator[Resolver]:
    """Asks tracker, store and neighbours; it can be dialled by nobody."""
    async with open_parts(replace(config, listen=()), key=fresh_key()) as parts:
        yield parts.agent.resolver
