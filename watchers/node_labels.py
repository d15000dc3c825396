"""The label that tells Swarm that a node is dead: put on and taken off by compare-and-set on the node's spec."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiodocker
import aiohttp

from controller.model import NodeId
from watchers.base import SwarmUnread
from watchers.claims import DEAD

DEADLINE = 5.0  # seconds for one change


class SwarmNodeLabels:
    """`NodeLabels` through any manager's Docker socket. ``docker`` stays the caller's to close."""

    def __init__(self, docker: aiodocker.Docker, label: str, deadline: float = DEADLINE) -> None:
        self._docker = docker
        self._label = label
        self._deadline = deadline

    async def put(self, node: NodeId) -> None:
        await self._change(node, DEAD)

    async def remove(self, node: NodeId) -> None:
        await self._change(node, None)

    async def _change(self, node: NodeId, value: str | None) -> None:
        """Nothing is written when it is so already. Of the rest of the spec, what was read is written back."""
        try:
            async with asyncio.timeout(self._deadline):
                found = await self._docker.nodes.inspect(node_id=node)
                spec = relabelled(found["Spec"], self._label, value)
                if spec != found["Spec"]:
                    await self._docker.nodes.update(node_id=node, version=found["Version"]["Index"], spec=spec)
        except aiodocker.DockerError as error:
            raise SwarmUnread(f"the label {self._label} of node {node} was not changed: {error.message}") from error
        except TimeoutError as error:
            raise SwarmUnread(
                f"the label {self._label} of node {node}: no answer within {self._deadline:g} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise SwarmUnread(f"the label {self._label} of node {node}: the connection broke ({error})") from error


def relabelled(spec: Mapping[str, Any], label: str, value: str | None) -> dict[str, Any]:
    """A node's spec with this label, or without it. Another value than ours is a person's, and is not removed. Pure."""
    labels = dict(spec.get("Labels") or {})
    if value is not None:
        labels[label] = value
    elif labels.get(label) == DEAD:
        del labels[label]
    else:
        return dict(spec)
    return {**spec, "Labels": labels}
