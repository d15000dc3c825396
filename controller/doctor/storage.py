"""Checks of volumes, their records and the storage, from the controller's last look. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from controller.doctor.findings import Check, Facts, Finding, error, note, warning
from controller.model import FencePolicy, NodeId, VolumeName, World
from controller.volumes.naming import life_prefix, volume_key
from drivers.base import Room

FULL = 0.9  # of the disks that a VM may have
LITTLE = 0.1  # of the room for disks that is still free
MUCH = 100 << 30  # bytes: so much that is free is enough for some days, however large the whole is


def looking(facts: Facts) -> Iterator[Finding]:
    if facts.world is None:
        text = "This controller has not looked at the swarm yet."
        yield error("no-look", "reberth", text, "Wait some seconds; then `docker service logs reberth_controller`.")
        return
    for part in facts.world.unread:
        yield error("unread", "reberth", part, "Mend the way to it; until then what it may hold does not move.")
    if facts.world.paused is not None:
        text = f'Reberth is paused: "{facts.world.paused}".'
        yield warning("paused", "reberth", text, "`reberth resume` when the work is done.")
    for each in facts.world.paused_parts:
        text = f'{each.kind.capitalize()} {each.name} is paused: "{each.reason}".'
        yield warning(
            "paused-part", each.name, text, f"`reberth resume --{each.kind} {each.name}` when the work is done."
        )


def driver(facts: Facts) -> Iterator[Finding]:
    capabilities = facts.policy.capabilities
    if capabilities.max_disks_per_vm <= 0:
        text = "No storage is configured, or its driver could not be loaded."
        yield error("no-storage", "reberth", text, "Name a driver under [storage] in reberth.toml.")
        return
    if not capabilities.exclusive_attach:
        text = f"Storage driver {capabilities.name} allows a disk on two VMs: nothing is moved with it."
        yield error("not-exclusive", "reberth", text, "Use another driver.")
    if not capabilities.epoch_guard:
        text = f"Storage driver {capabilities.name} keeps no epoch: a stalled controller's call is refused less surely."
        yield note("no-epoch-guard", "reberth", text, "Nothing: know it when a controller hangs for long.")
    if facts.policy.fence is FencePolicy.DETACH and not capabilities.detach_cuts_io:
        text = f"A detach of driver {capabilities.name} does not end a VM's writes: a node that hangs is powered off."
        yield note("fence-power-off", "reberth", text, 'Say fence = "power-off" to mean it, or "hold" to be asked.')
    if facts.policy.fence is FencePolicy.HOLD:
        text = "The policy is hold: a node that hangs or is cut off waits for a person."
        yield note("fence-hold", "reberth", text, 'Nothing, if that is meant; else fence = "detach".')


def stamps(facts: Facts) -> Iterator[Finding]:
    world = facts.world
    if world is None:
        return
    for each in world.attachments or ():
        if (each.epoch or 0) > world.epoch:
            text = f"VM {each.vm} bears the stamp of epoch {each.epoch}, above this controller's {world.epoch}."
            cure = "If it lasts, the swarm was restored or made anew: `reberth explain` has the way back."
            yield warning("stamp-above", each.vm, text, cure)


def disks(facts: Facts) -> Iterator[Finding]:
    world = facts.world
    if world is None or world.volumes is None or world.attachments is None:
        return
    known = {disk for record in world.volumes.values() for disk in record.disks}
    for each in world.attachments:
        if each.disk not in known:
            text = f"Disk {each.disk} is attached to VM {each.vm}, and no record of this swarm names it."
            cure = "A record was lost, or the disk is another swarm's: find out before anything else is done with it."
            yield warning("disk-unknown", each.disk, text, cure)


def unrecorded(facts: Facts) -> Iterator[Finding]:
    """Where records were not read nothing is known to be missing in them."""
    if facts.world is None or facts.world.volumes is None:
        return
    sources = {mount.source for service in facts.swarm.services for mount in service.mounts if mount.type == "volume"}
    for name in sorted(sources - facts.volumes):
        beginning = life_prefix(volume_key(VolumeName(name)))
        keys = [key for key in facts.keys if key.startswith(beginning)]
        if keys:
            text = f"No record has volume {name}, which a service mounts; the storage has a disk of it: {keys[-1]}."
            cure = f"`reberth explain {name}`; `reberth adopt {name} --disk {keys[-1]}`, if no other swarm uses it."
            yield error("disk-unrecorded", name, text, cure)


def room(facts: Facts) -> Iterator[Finding]:
    attachments = (facts.world.attachments or ()) if facts.world is not None else ()
    most = facts.policy.capabilities.max_disks_per_vm
    for vm, many in Counter(each.vm for each in attachments).items():
        if most and many >= FULL * most:
            text = f"VM {vm} has {many} of at most {most} disks: Swarm may place a task there that cannot get its own."
            yield warning("vm-full", vm, text, "Spread the services, or use fewer and larger volumes.")


def scarce(room: Room) -> bool:
    return room.free < min(LITTLE * room.size, MUCH)


def rooms(facts: Facts) -> Iterator[Finding]:
    for each in facts.rooms:
        if scarce(each):
            text = (
                f"{each.free >> 30} of {each.size >> 30} GiB are free on {each.name}: disks that are thin grow there."
            )
            cure = (
                "Make room, or more of it, before it is full: then VMs stand still that write, and no volume is made."
            )
            yield warning("storage-space", each.name, text, cure)


def idle(facts: Facts) -> Iterator[Finding]:
    world = facts.world
    if world is None or world.volumes is None:
        return
    for name, place in _attached(world):
        claim = (world.claims or {}).get(name)
        if claim is not None and claim.node is not None:
            continue
        node = facts.node(place)
        if node is not None and node.spec.availability == "drain":
            text = (
                f"Nobody uses volume {name}, whose disk is on drained node {node.name}: it goes if that VM is deleted."
            )
            cure = (
                "It is detached within seconds; if it stays, `reberth explain` says why. Do not delete that VM before."
            )
            yield warning("idle-on-drained", name, text, cure)


def _attached(world: World) -> Iterator[tuple[VolumeName, NodeId]]:
    nodes = {node.vm: node.id for node in (world.nodes or {}).values() if node.vm is not None}
    for name, record in (world.volumes or {}).items():
        for each in world.attachments or ():
            if each.disk == record.disk and each.vm in nodes:
                yield name, nodes[each.vm]


def setbacks(facts: Facts) -> Iterator[Finding]:
    for volume, why in sorted(facts.setbacks.items()):
        text = f"The last operation on volume {volume} did not succeed: {why}"
        yield warning("setback", volume, text, f"`reberth explain {volume}` has the reason and the cure.")


def full(facts: Facts) -> Iterator[Finding]:
    for volume, text in sorted(facts.full.items()):
        yield warning(
            "volume-full",
            volume,
            f"{text[0].upper()}{text[1:]}.",
            f"`reberth grow {volume} SIZE`, or fewer files in it.",
        )


def small(facts: Facts) -> Iterator[Finding]:
    for name, record in ((facts.world.volumes or {}) if facts.world is not None else {}).items():
        if record.spec.fstype == "xfs" and record.spec.size_bytes < 1 << 30:
            text = f"Volume {name} is an xfs of less than 1 GiB: its log takes a large part of it."
            yield note("xfs-small", name, text, "Use ext4 for small volumes.")


CHECKS: tuple[Check, ...] = (looking, driver, stamps, disks, unrecorded, room, rooms, idle, setbacks, full, small)
