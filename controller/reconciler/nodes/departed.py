"""Nodes that left the swarm, and whose records nothing needs any more. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.model import Attachment, Node, NodeId, VmId, VolumeName, VolumeRecord
from controller.records.base import NodeRecord


def granted(volumes: Mapping[VolumeName, VolumeRecord] | None) -> frozenset[VmId]:
    """VMs with a grant: one whose node left the swarm and whose disk is in no list may still write."""
    return frozenset(grant.vm for record in (volumes or {}).values() for grant in record.grants)


def departed(
    nodes: Mapping[NodeId, Node] | None,
    known: Mapping[NodeId, NodeRecord] | None,
    volumes: Mapping[VolumeName, VolumeRecord] | None,
    attachments: Sequence[Attachment] | None,
) -> tuple[NodeId, ...]:
    """
    Nodes whose record nothing needs any more. Swarm gives no ID twice, so who is not listed never comes back.

    Only when every list was read; a swarm without nodes is none (the reader itself is one). A record still says which
    VM a node was while a grant or a disk is there: people are told by it.
    """
    if not nodes or known is None or volumes is None or attachments is None:
        return ()
    needed = {grant.node for record in volumes.values() for grant in record.grants}
    used = granted(volumes) | {each.vm for each in attachments}
    needed |= {name for name, record in known.items() if record.vm in used}
    return tuple(sorted(known.keys() - nodes.keys() - needed))
