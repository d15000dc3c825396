"""
Where Swarm may start a service's task, changed for a planned move, and put back.

The constraint ``node.id==ID`` is added to the service, with a label that says so. Swarm then ends the task and starts
it there. It is taken away when the volume has arrived; a task whose node fits the constraints stays where it is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

import aiodocker
import aiohttp

from controller.model import NodeId
from watchers.base import PlacementRefused, SwarmUnread

LABEL = "reberth.moved-to"
DEADLINE = 10.0  # seconds for one change
Json = Mapping[str, Any]

_CONSTRAINT = re.compile(r"\s*([\w.-]+)\s*(==|!=)\s*(.*?)\s*")


class SwarmPlacement:
    """`Placements` through a manager's Docker socket, which stays the caller's to close."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker

    async def pin(self, service: str, node: NodeId) -> None:
        found = await self._bounded(self._docker.nodes.inspect(node_id=node), f"node {node}")

        def change(spec: Json) -> Json:
            why = obstacle(unpinned(spec), found)
            if why is not None:
                raise PlacementRefused(f"service {service} is not moved: {why}")
            return pinned(unpinned(spec), node)

        await self._change(service, change)

    async def unpin(self, service: str) -> None:
        await self._change(service, unpinned)

    async def drain(self, node: NodeId) -> None:
        found = await self._bounded(self._docker.nodes.inspect(node_id=node), f"node {node}")
        spec, version = {**found["Spec"], "Availability": "drain"}, found["Version"]["Index"]
        await self._bounded(self._docker.nodes.update(node_id=node, version=version, spec=spec), f"node {node}")

    async def _change(self, service: str, change: Callable[[Json], Json]) -> None:
        """By compare-and-set; of the rest of the spec, what was read is written back."""
        found = await self._bounded(self._docker.services.inspect(service), f"service {service}")
        spec = change(found["Spec"])
        if spec != found["Spec"]:
            path, version = f"services/{found['ID']}/update", {"version": str(found["Version"]["Index"])}
            call = self._docker._query_json(path, method="POST", params=version, data=spec)  # noqa: SLF001
            await self._bounded(call, f"service {service}")

    async def _bounded(self, call: Any, what: str) -> Any:
        try:
            async with asyncio.timeout(DEADLINE):
                return await call
        except aiodocker.DockerError as error:
            raise SwarmUnread(f"{what}: Docker says: {error.message}") from error
        except TimeoutError as error:
            raise SwarmUnread(f"{what}: no answer within {DEADLINE:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise SwarmUnread(f"{what}: the connection broke ({error})") from error


def pinned(spec: Json, node: NodeId) -> dict[str, Any]:
    """A service's spec with the constraint, and the label that says that it is ours. Pure."""
    labels = {**(spec.get("Labels") or {}), LABEL: node}
    return _with(spec, labels, [*_constraints(spec), f"node.id=={node}"])


def unpinned(spec: Json) -> dict[str, Any]:
    """Without the constraint that the label names; one that somebody else wrote stays. Pure."""
    labels = dict(spec.get("Labels") or {})
    node = labels.pop(LABEL, None)
    if node is None:
        return dict(spec)
    ours = f"node.id=={node}"
    return _with(spec, labels, [each for each in _constraints(spec) if each != ours])


def obstacle(spec: Json, node: Json) -> str | None:
    """Why Swarm would not start the service's task on that node, as far as its constraints say. Pure."""
    replicas = ((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas")
    if replicas != 1:
        return "it has not exactly one replica, so Swarm would not move just this task; drain the node instead"
    name = node.get("Description", {}).get("Hostname", "?")
    for each in _constraints(spec):
        fits = _fits(each, node)
        if fits is None:
            return f"its constraint {each!r} is not understood here; drain the node instead"
        if not fits:
            return f"its constraint {each!r} does not allow node {name}: change it in the stack file first"
    return None


def _fits(constraint: str, node: Json) -> bool | None:
    found = _CONSTRAINT.fullmatch(constraint)
    value = None if found is None else _value(found[1], node)
    if found is None or value is None:
        return None
    return (value.lower() == found[3].lower()) is (found[2] == "==")


def _value(key: str, node: Json) -> str | None:
    """None: not known. A label that is not there has the empty value, as for Swarm."""
    spec, about = node.get("Spec") or {}, node.get("Description") or {}
    for prefix, labels in (("node.labels.", spec), ("engine.labels.", about.get("Engine") or {})):
        if key.startswith(prefix):
            return str((labels.get("Labels") or {}).get(key.removeprefix(prefix), ""))
    known = {
        "node.id": node.get("ID"),
        "node.hostname": about.get("Hostname"),
        "node.role": spec.get("Role"),
        "node.platform.os": (about.get("Platform") or {}).get("OS"),
    }
    return known.get(key)


def _constraints(spec: Json) -> list[str]:
    return list(((spec.get("TaskTemplate") or {}).get("Placement") or {}).get("Constraints") or [])


def _with(spec: Json, labels: Json, constraints: list[str]) -> dict[str, Any]:
    template = spec.get("TaskTemplate") or {}
    placement = {**(template.get("Placement") or {}), "Constraints": constraints}
    return {**spec, "Labels": dict(labels), "TaskTemplate": {**template, "Placement": placement}}
