"""Reads what a check of the whole swarm needs from a manager's Docker."""

from __future__ import annotations

import asyncio

import aiodocker
import aiohttp

from controller.docker_http import read
from watchers.base import SwarmUnread
from watchers.docker_json import DecodeError
from watchers.swarm_facts import SwarmFacts, swarm_facts

READ_SECONDS = 20.0
_PATHS = ("swarm", "nodes", "services", "tasks", "networks")


class FactsReader:
    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker

    async def read(self) -> SwarmFacts:
        """Raises SwarmUnread."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                return swarm_facts({f"/{path}": await read(self._docker, path) for path in _PATHS})
        except TimeoutError as error:
            raise SwarmUnread(f"Docker did not answer within {READ_SECONDS:g} s") from error
        except (aiodocker.DockerError, aiohttp.ClientError, OSError, DecodeError) as error:
            raise SwarmUnread(f"Swarm cannot be read: {error}") from error
