"""What a watcher of Swarm offers: its state of one moment, or that it could not be read. The twin of drivers/base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from controller.model import Claim, Node, NodeId, Spec, VolumeName


class SwarmUnread(Exception):
    """Swarm's nodes, services or tasks could not be read: no quorum, no leader, or Docker does not answer."""


@dataclass(frozen=True, slots=True)
class SwarmManagers:
    """``reachable``: those to whom Swarm's leader has a connection, by its own word."""

    leader: NodeId | None = None  # None during an election
    reachable: frozenset[NodeId] = frozenset()


class SwarmView(Protocol):
    """Swarm's state of one moment. Nodes come without VM, boot and ``down_for``."""

    @property
    def nodes(self) -> Mapping[NodeId, Node]: ...

    def claims(self, specs: Mapping[VolumeName, Spec], holders: Mapping[VolumeName, str]) -> Mapping[VolumeName, Claim]:
        """Who wants which volume; ``specs`` and ``holders`` (services that had the newest grant) are the records'."""
        ...


class NodeLabels(Protocol):
    """Swarm's own note about a node, which its scheduler and its constraint enforcer go by."""

    async def put(self, node: NodeId) -> None:
        """The node bears the label of the dead. Raises SwarmUnread, also when somebody else changed it just now."""
        ...

    async def remove(self, node: NodeId) -> None: ...


class SwarmSource(Protocol):
    async def snapshot(self) -> SwarmView:
        """Raises SwarmUnread."""
        ...


class PlacementRefused(Exception):
    """A planned move would leave the service without a node: one sentence that says why."""


class Placements(Protocol):
    """Where Swarm starts tasks, changed for a planned move. All raise SwarmUnread."""

    async def pin(self, service: str, node: NodeId) -> None:
        """The service's one task is to run on that node. Raises PlacementRefused."""
        ...

    async def unpin(self, service: str) -> None:
        """It may run anywhere again; the task stays where it is. Nothing where it was not pinned."""
        ...

    async def drain(self, node: NodeId) -> None:
        """No task is to run on that node."""
        ...
