"""Which grant a Mount may use, or why none, and what its gate is told of it: computed from what is handed in."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.node_registry import Caller
from controller.model import Claim, GateVolume, Grant, MountState, Refusal, VolumeName, VolumeRecord, World
from controller.protocol.answers import Rejection, Status
from controller.protocol.messages import MountGrant
from drivers.base import DeviceHint


@dataclass(frozen=True, slots=True)
class AskedMount:
    """A Mount, and what is known of its volume at this moment. ``said``: what its gate says of it, in this boot."""

    caller: Caller
    name: VolumeName
    record: VolumeRecord | None
    claim: Claim | None
    said: GateVolume | None

    def at_once(self, *, looked: bool) -> Grant | Rejection | None:
        """
        The grant to use; None: not yet. ``looked``: whether what is known was seen since the Mount began. Only that can
        tell where somebody else may be who asks.
        """
        rivals = self._rivals()
        if (rivals or self._shared() or self._mounted()) and not looked:
            return None
        if rivals and self._stranger_asks():
            return Rejection(Status.CONFLICT, f"volume {self.name}: {rivals[0].why}")
        return None if self.record is None else usable(self.record, self.claim, self.said, self.caller)

    def not_yours(self, world: World, hostname: str) -> Rejection | None:
        """None: Swarm wants the volume here, or on no node yet, for a task whose Mount may be this one."""
        claim = self.claim
        if claim is not None and claim.tasks and claim.node in {None, self.caller.node}:
            return self._beside(claim)
        left = self.record is not None and not self.record.formatted and (self.claim is None or not self.claim.services)
        return Rejection(Status.FORBIDDEN, _not_yours(self.name, hostname, self.claim, world) + _left(self.name) * left)

    def _beside(self, claim: Claim) -> Rejection | None:
        """The Mounts of all whom Swarm wants here are behind them: who asks is none of them."""
        if not all(task.started for task in claim.tasks):
            return None
        services = ", ".join(sorted({task.service for task in claim.tasks}))
        return Rejection(
            Status.FORBIDDEN,
            f"the container of service {services} has volume {self.name} on this node, and no other gets it beside: "
            "look into it with `docker exec` or `docker cp`. Volumes of this driver are for services (`docker service "
            "create`, `docker stack deploy`), not for `docker run`",
        )

    def _rivals(self) -> tuple[Refusal, ...]:
        """Services on the caller's node that want the volume and do not get it."""
        refused = () if self.claim is None else self.claim.refused
        return tuple(each for each in refused if each.node == self.caller.node)

    def _shared(self) -> bool:
        return self.claim is not None and len(self.claim.tasks) > 1

    def _mounted(self) -> bool:
        return self.said is not None and self.said.state is MountState.MOUNTED

    def _stranger_asks(self) -> bool:
        """
        A Mount does not say whose it is. But of those who have the volume nobody here can be waiting for one: they are
        on another node, or their Mounts are behind them.
        """
        claim = self.claim
        return claim is None or claim.node != self.caller.node or all(task.started for task in claim.tasks)


def is_of(grant: Grant, caller: Caller) -> bool:
    return (grant.node, grant.vm, grant.boot) == (caller.node, caller.vm, caller.boot)


def usable(record: VolumeRecord, claim: Claim | None, said: GateVolume | None, caller: Caller) -> Grant | None:
    """
    The newest grant of a wanted task on the caller's node that is not spent, and under which a mount is left.

    A Mount does not say whose it is: that no more is counted under a grant than its task's container mounts, is what
    keeps a second container out. The gate holds to it as well, by `MountGrant.mounts`.
    """
    if claim is None or claim.node != caller.node or record.disk is None or record.revoked:
        return None
    mounts = {task.id: task.mounts for task in claim.tasks if not task.started}  # whoever runs mounts no more
    grants = (each for each in record.grants if is_of(each, caller) and _has_room(each, mounts.get(each.task, 0), said))
    return max(grants, key=lambda each: each.serial, default=None)


def _has_room(grant: Grant, mounts: int, said: GateVolume | None) -> bool:
    if said is None:
        return mounts > 0
    if 0 in said.users:
        return False  # it may be this very task's, or its predecessor's
    return grant.serial > said.floor and said.users.count(grant.serial) < mounts


def permission(record: VolumeRecord, grant: Grant, claim: Claim | None, device: DeviceHint) -> MountGrant:
    source = record.spec.source
    may_format = source is None and not record.formatted and not record.spec.read_only
    tasks = () if claim is None else claim.tasks
    return MountGrant(
        volume=record.name,
        key=record.key,
        task=grant.task,
        epoch=grant.epoch,
        serial=grant.serial,
        by_id=device.by_id,
        size_bytes=record.spec.size_bytes,
        fstype=record.spec.fstype,
        fs_uuid=record.carries,
        may_format=may_format,
        label="" if source is None else record.fs_uuid,
        source_label="" if source is None or record.formatted else source.label,
        uid=record.spec.handout.uid,
        gid=record.spec.handout.gid,
        mode=record.spec.handout.mode,
        mount_options=record.spec.handout.mount_options,
        mkfs_options=record.spec.handout.mkfs_options if may_format else (),
        read_only=record.spec.read_only,
        mounts=next((task.mounts for task in tasks if task.id == grant.task), 1),
        void=_void(record, grant, claim),
    )


def _void(record: VolumeRecord, grant: Grant, claim: Claim | None) -> int:
    """Below all grants on that VM, in that boot, of wanted tasks: what its gate was given before counts no more."""
    wanted = set() if claim is None else {task.id for task in claim.tasks}
    place = (grant.node, grant.vm, grant.boot)
    beside = [g.serial for g in record.grants if (g.node, g.vm, g.boot) == place and g.task in wanted]
    return max(0, min([grant.serial, *beside]) - 1)


def _left(name: VolumeName) -> str:
    return (
        f". The volume is there now, never used: `docker volume rm {name}` removes it again if Docker made it for this"
    )


def _not_yours(name: VolumeName, hostname: str, claim: Claim | None, world: World) -> str:
    if claim is None or not claim.tasks:
        return (
            f"no Swarm task on node {hostname} mounts volume {name}: volumes of this driver are for services "
            "(`docker service create`, `docker stack deploy`), not for `docker run`"
        )
    nodes = world.nodes or {}
    found = None if claim.node is None else nodes.get(claim.node)
    other, service = found.hostname if found is not None else claim.node, claim.tasks[0].service
    return (
        f"Swarm wants volume {name} on node {other} (service {service}), not on {hostname}: a volume is on one node "
        "at a time"
    )
