"""
The node step: what a storage driver may have done on a node itself, by the gate there, so that a disk may be written
from it. Such a disk is visible on many nodes, and it is the storage that refuses all of them but one.

An order reaches the gate of one VM, and its word about it comes back. That word decides nothing: what the storage lists
afterwards does (`StorageDriver.list_attachments`). And no gate is needed to take a disk away: a detach is carried
out at the storage, by whoever acts, and read back there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from controller.model import Connection, VmId
from drivers.base import Outcome


class Nodes(Protocol):
    """
    Orders to the gates, one outcome each, in order. Every wait has an end.

    Done: the gate says that it is so now. Refused: the gate says that it did not do it, and is not at it. Unreachable:
    it was never sent, as no gate of that VM is heard by this controller, or it is too old for it. InDoubt: it was sent
    and there is no answer: it may happen yet, also much later, where a node stood still meanwhile.

    A gate carries out what is ordered under an epoch that is not lower than any it met for that disk. It never connects
    a disk that is in use on its node: of one whose key is gone it was fenced, and must stay so.
    """

    async def connect(self, vm: VmId, what: Sequence[Connection]) -> Sequence[Outcome]: ...

    async def disconnect(self, vm: VmId, what: Sequence[Connection]) -> Sequence[Outcome]:
        """Undone, so that the node may write no more. Refused while the disk is in use there."""
        ...


@runtime_checkable
class NodeConnected(Protocol):
    """What a storage driver may have beside: its disks have to be connected on the nodes."""

    def use_nodes(self, nodes: Nodes) -> None:
        """Called once, before anything else is asked of the driver."""
        ...
