"""All that chaos can break."""

from __future__ import annotations

from deploy.drill.chaos.faults import disks, machines, memory, networks, services, storage, swarm, volumes

_PARTS = (machines, networks, swarm, storage, disks, memory, services, volumes)
_ALL = tuple(fault for part in _PARTS for fault in part.FAULTS)
FAULTS = {fault.kind.name: fault for fault in _ALL}
KINDS = tuple(fault.kind for fault in _ALL)
