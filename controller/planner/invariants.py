"""
What must never be true of a World, whatever happened before. Pure.

Used by the loop on every World that it reads, and by the search and the wide simulation after every step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from controller.model import (
    Attachment,
    AttachmentState,
    DiskId,
    Operation,
    Phase,
    VmId,
    VolumeRecord,
    World,
)


def violations(world: World) -> tuple[str, ...]:
    """
    One sentence for each law that the World breaks, empty when all hold. Unread parts are not judged.

    Nothing is asked for but the records and the attachments.
    """
    records, on = tuple((world.volumes or {}).values()), _attached(world.attachments or ())
    found = [*_one_vm(records, on), *_shared_names(records)]
    for record in records:
        found += _record(record)
        found += _grants(record)
        found += _grant_where_disk_is_not(record, on)
    return tuple(found)


def _attached(attachments: tuple[Attachment, ...]) -> dict[DiskId, set[VmId]]:
    on: defaultdict[DiskId, set[VmId]] = defaultdict(set)
    for attachment in attachments:
        if attachment.state is AttachmentState.ATTACHED:
            on[attachment.disk].add(attachment.vm)
    return on


def _one_vm(records: tuple[VolumeRecord, ...], on: Mapping[DiskId, set[VmId]]) -> Iterator[str]:
    names = {r.disk: r.name for r in records if r.disk is not None}
    for disk, vms in on.items():
        if len(vms) > 1 and disk in names:
            yield f"volume {names[disk]}: its disk is attached to {len(vms)} VMs at once ({', '.join(sorted(vms))})"


def _shared_names(records: tuple[VolumeRecord, ...]) -> Iterator[str]:
    seen: dict[tuple[str, str], VolumeRecord] = {}
    for record in records:
        for what, value in (("disk", record.disk), ("key", record.key), ("file system UUID", record.fs_uuid)):
            if value is None:
                continue
            other = seen.setdefault((what, value), record)
            if other is not record:
                yield f"volumes {other.name} and {record.name} have the same {what} ({value})"


def _record(record: VolumeRecord) -> Iterator[str]:
    if record.phase is Phase.READY and record.disk is None:
        yield f"volume {record.name} is ready but has no disk"
    if record.formatted and record.disk is None:
        yield f"volume {record.name} is formatted but has no disk"
    if record.disk is None and record.grants:
        yield f"volume {record.name} is granted but has no disk"


def _grants(record: VolumeRecord) -> Iterator[str]:
    if len({(g.vm, g.boot) for g in record.grants}) > 1:
        holders = ", ".join(sorted({g.vm for g in record.grants}))
        yield f"volume {record.name} is granted to several VMs or boots ({holders})"
    serials = [g.serial for g in record.grants]
    if len(set(serials)) != len(serials):
        yield f"volume {record.name} has two grants under one serial"
    if serials and max(serials) > record.serial:
        yield f"volume {record.name} has a grant above its serial {record.serial}"


def _grant_where_disk_is_not(record: VolumeRecord, on: Mapping[DiskId, set[VmId]]) -> Iterator[str]:
    """A valid grant on one VM while another has the disk: two could mount (a revoked one may still await its end)."""
    intent = record.intent
    if record.disk is None or record.revoked or (intent is not None and intent.operation is Operation.DETACH):
        return
    for grant in record.grants:
        others = on.get(record.disk, set()) - {grant.vm}
        if others:
            place = ", ".join(sorted(others))
            yield f"volume {record.name}: task {grant.task} may mount on VM {grant.vm}, but the disk is on {place}"
