"""
Which services mention a volume in their specs, also while they have no task: scaled to 0, or between two tasks. Pure.

Docker itself lets `docker volume rm` delete what no container uses; the data of a service that is merely stopped would
be gone. So the names that specs can have are compared here, templates included.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from controller.model import NodeId, VolumeName
from controller.names import DRIVER
from watchers.docker_json import Mount, RawService
from watchers.templates import Context, expand

_NUMBERS = re.compile(r"[0-9]{1,9}")


class Users:
    """One look's services, by the volumes that they mention."""

    def __init__(self, services: Iterable[RawService], hosts: Mapping[NodeId, str]) -> None:
        self._hosts = hosts
        self._asking: dict[str, str] = {}  # services that ask for replicas: name -> ID
        self._fixed: defaultdict[str, list[str]] = defaultdict(list)
        self._templates: list[tuple[str, str, RawService]] = []  # what comes before the first template, source, service
        for service in services:
            replicated = service.spec.mode.replicated
            if replicated is not None and replicated.replicas:
                self._asking[service.spec.name] = service.id
            for mount in service.spec.task_template.mounts:
                if may_be_ours(mount):
                    self._note(mount.source, service)

    def _note(self, source: str, service: RawService) -> None:
        start, templated, _ = source.partition("{{")
        if templated:
            self._templates.append((start, source, service))
        else:
            self._fixed[source].append(service.spec.name)

    def fixed(self, name: VolumeName) -> tuple[str, ...]:
        """Services that mention exactly this name."""
        return tuple(self._fixed.get(name, ()))

    def of(self, name: VolumeName) -> tuple[str, ...]:
        """All services that mention this volume, sorted."""
        found = {
            service.spec.name
            for start, source, service in self._templates
            if name.startswith(start) and self._can_be(source, service, name)
        }
        return tuple(sorted({*self._fixed.get(name, ()), *found}))

    def given_up(self, names: Iterable[str], going_on: AbstractSet[str]) -> tuple[str, ...]:
        """
        Those that ask for replicas, of which Swarm wants no task at all. ``going_on``: IDs of services that have one.

        While a task is being replaced Swarm wants the old one or the new one: in swarmkit's restart supervisor
        (manager/orchestrator/restart) both change in one transaction, and without a new one it has given up.
        """
        return tuple(name for name in names if self._asking.get(name, "") not in {"", *going_on})

    def _can_be(self, source: str, service: RawService, name: VolumeName) -> bool:
        """Whether a task of the service would mount it."""
        places = [("", ""), *self._hosts.items()]
        return any(
            expand(source, _context(service, slot, node, hostname)) == name
            for slot in _slots(service, name)
            for node, hostname in places
        )


def _slots(service: RawService, name: VolumeName) -> set[int]:
    """
    The slots that a name may be of. One beyond the replicas is not wanted any more: its volume may go; but at 0
    replicas the whole service is only stopped. A global service has none: 0, from which a job's are counted.
    """
    named = {int(digits) for digits in _NUMBERS.findall(name)}
    replicated = service.spec.mode.replicated
    if replicated is None:
        return {0, *named} if service.spec.mode.replicated_job is not None else {0}
    replicas = replicated.replicas or 0
    return {slot for slot in named if slot <= replicas or replicas == 0} or {1}


def may_be_ours(mount: Mount) -> bool:
    """Without a driver it is an external volume of any driver: its name decides."""
    if mount.type != "volume" or not mount.source:
        return False
    return mount.driver.name.removesuffix(":latest") in ("", DRIVER)


def _context(service: RawService, slot: int, node: str, hostname: str) -> Context:
    return Context(service.id, service.spec.name, "", slot, node, hostname, service.spec.labels or {})
