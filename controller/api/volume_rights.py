"""
What a worker may do with a volume, and what keeps one from being removed. Pure.

A worker's Docker is a messenger: it makes the volumes that tasks on it mount, with the options that their services say.
Both stand in Swarm's Raft, so they are read there; a worker that lies gains nothing. It may remove a volume only while
it has the disk: whoever is root there could wipe it anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.model import Claim, NodeId, VolumeName, VolumeRecord, World


def wanted_by(world: World, node: NodeId, volume: VolumeName) -> tuple[Mapping[str, str], ...]:
    """The options that the tasks of a node which mount this volume ask for; empty where there is no such task."""
    claim = (world.claims or {}).get(volume)
    return () if claim is None else tuple(claim.asked.get(node, ()))


def may_see(world: World | None, node: NodeId, record: VolumeRecord) -> bool:
    """Size, file system and state; of all other volumes a worker learns the name."""
    return world is not None and bool(wanted_by(world, node, record.name) or holds(world, node, record))


def holds(world: World, node: NodeId, record: VolumeRecord) -> bool:
    """Whether the disk is on the node's VM, or was granted to the node last."""
    if any(grant.node == node for grant in record.grants):
        return True
    found = (world.nodes or {}).get(node)
    vm = None if found is None else found.vm
    return vm is not None and any(each.disk == record.disk and each.vm == vm for each in world.attachments or ())


def not_wanted(hostname: str, volume: VolumeName) -> str:
    return (
        f"no Swarm task on node {hostname} mounts volume {volume}: volumes of this driver are for services "
        "(`docker service create`, `docker stack deploy`), not for `docker run`; by hand they are made on a manager"
    )


def other_options(hostname: str, volume: VolumeName, options: Mapping[str, str]) -> str:
    said = ", ".join(f"{key}={text}" for key, text in sorted(options.items())) or "none"
    return (
        f"volume {volume}: its service does not ask for the options that node {hostname} says ({said}): deploy the "
        "stack again; by hand volumes are made on a manager"
    )


def copies_under_way(record: VolumeRecord, known: Iterable[VolumeRecord]) -> list[VolumeName]:
    """Volumes that are being made as copies of this one, or of a snapshot of it."""
    return sorted(each.name for each in known if each.copying is not None and each.copying in record.disks)


def being_copied(name: VolumeName, copies: list[VolumeName]) -> str:
    return (
        f"volume {', '.join(copies)} is being made as a copy of volume {name}: wait until that is done (`reberth "
        f"explain {copies[0]}` shows it), or remove that volume first"
    )


def in_use(claim: Claim) -> str:
    services = ", ".join(claim.services or sorted({task.service for task in claim.tasks}))
    state = "is used by" if claim.tasks else "belongs to"
    return (
        f"volume {claim.volume} {state} service {services}: remove the service first (`docker service rm`); also "
        "scaled to 0 it keeps its data"
    )


def removed(record: VolumeRecord) -> str:
    if record.delete_at is None:
        return f"volume {record.name} is being deleted: wait until it is gone, or take another name"
    return (
        f"volume {record.name} was removed, and its data is kept for a while: `reberth undelete {record.name}` on a "
        f"manager gives it back. To begin with an empty one: remove the service, then `reberth remove {record.name} "
        "--now`"
    )
