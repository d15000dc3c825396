"""A volume that a person paused, and both ends of its life: it begins as a copy of another, it is removed. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from controller.model import Operation
from controller.planner import takeover
from controller.planner.actions import Action, CreateDisk, DeleteDisk, Refuse, Wait
from controller.planner.context import VolumeContext
from controller.planner.evidence import vm_label


def paused(ctx: VolumeContext) -> Action:
    part = ctx.rules.paused(ctx)
    if part is None:
        return Wait(ctx.name, f"Volume {ctx.name}: a pause has just ended; looking again.", takeover.LOOK_AGAIN)
    if part.volume is not None:
        why = f'Volume {ctx.name} is paused: "{part.reason}". `reberth resume --volume {ctx.name}` ends that.'
        return Wait(ctx.name, why)
    why = (
        f'Volume {ctx.name} waits, because node {part.hostname} is paused: "{part.reason}". '
        f"`reberth resume --node {part.hostname}` ends that."
    )
    return Wait(ctx.name, why)


def must_wait(ctx: VolumeContext) -> bool:
    """
    Whether the storage must not be asked for the copy now.

    If it was asked before, and nobody knows what came of it, it may be asked while the source is attached: it can find
    the copy that was made, and cannot begin one.
    """
    source, intent = ctx.entry.spec.source, ctx.entry.intent
    asked = intent is not None and intent.operation is Operation.CREATE
    only_finds = asked and source is not None and source.disk in ctx.index.disks
    return bool(source_users(ctx)) and not only_finds


def source_users(ctx: VolumeContext) -> str:
    """What keeps the disk that this volume is to copy, in words; empty when it can be copied."""
    source, service = ctx.entry.spec.source, source_service(ctx)
    if service:
        return f"service {service} uses it"
    held = () if source is None else ctx.index.disks.get(source.disk, ())
    if source is not None and not held and ctx.index.world.unlisted:
        return f"nobody knows where its disk is: {ctx.index.world.unlisted[0]}"
    return f"its disk is still on {', '.join(vm_label(ctx, each.vm) for each in held)}" if held else ""


def source_service(ctx: VolumeContext) -> str:
    """The service with a task that wants the volume that this one is to copy; empty when there is none."""
    source = ctx.entry.spec.source
    if source is None:
        return ""
    claim = (ctx.index.world.claims or {}).get(source.volume)
    original = (ctx.index.world.volumes or {}).get(source.volume)
    same = original is not None and original.disk == source.disk  # and not one made anew under its name
    return claim.tasks[0].service if same and claim is not None and claim.tasks else ""


def lent(ctx: VolumeContext) -> bool:
    """Whether this volume's disk is to be taken from where it is, so that it can be copied: nobody wants it itself."""
    return ctx.disk_vm is not None and ctx.copier is not None and (ctx.claim is None or not ctx.claim.tasks)


def restored(ctx: VolumeContext) -> Action:
    restoring = ctx.entry.snapshots.restoring
    snapshot = "?" if restoring is None else restoring.snapshot
    why = f"Volume {ctx.name} is being restored from its snapshot {snapshot}; its next task starts when that is done."
    return Wait(ctx.name, why)


def no_disk(ctx: VolumeContext) -> Action:
    source = ctx.entry.spec.source
    if source is None:
        return CreateDisk(ctx.name)
    return CreateDisk(ctx.name, f"Volume {ctx.name} is being made as a copy of volume {source.volume}.")


def source_busy(ctx: VolumeContext) -> Action:
    source = ctx.entry.spec.source
    origin, service = "?" if source is None else source.volume, source_service(ctx)
    cure = f" Until the copy is made: `docker service scale {service}=0`." if service else ""
    why = (
        f"Volume {ctx.name} is to be a copy of volume {origin}, but {source_users(ctx)}: a disk is copied "
        f"only while it is attached nowhere.{cure}"
    )
    return Wait(ctx.name, why)


def doomed_claimed(ctx: VolumeContext) -> Action:
    services = ", ".join(sorted({t.service for t in ctx.claim.tasks})) if ctx.claim else ""
    if ctx.kept_for is not None:
        return Refuse(
            ctx.name,
            f"Volume {ctx.name} was removed with `docker volume rm`, but service {services} wants it. "
            f"{_both_ways(ctx)}",
        )
    why = (
        f"Volume {ctx.name} was removed with `docker volume rm`, but service {services} wants it. "
        "Remove the service (its data goes then), or name another volume in it."
    )
    return Refuse(ctx.name, why)


def doomed_attached(ctx: VolumeContext) -> Action:
    return takeover.take(ctx, f"Volume {ctx.name} was removed with `docker volume rm`")


def kept(ctx: VolumeContext) -> Action:
    until = datetime.fromtimestamp(ctx.entry.delete_at or 0.0, UTC)
    why = f"Volume {ctx.name} was removed; its disk is kept until {until:%Y-%m-%d %H:%M} UTC, and deleted then."
    return Wait(ctx.name, why, ctx.kept_for)


def _both_ways(ctx: VolumeContext) -> str:
    return (
        f"Its data is still there: `reberth undelete {ctx.name}` gives it back. To begin with an empty volume: remove "
        f"the service, then `reberth remove {ctx.name} --now`, and deploy it again."
    )


def doomed(ctx: VolumeContext) -> Action:
    """The record goes last: without it nobody would know the snapshots' disks."""
    left = len(ctx.entry.snapshots.each)
    if not ctx.entry.snapshots:
        return DeleteDisk(ctx.name)
    what = "1 snapshot is" if left == 1 else f"{left} snapshots are"
    return Wait(ctx.name, f"Volume {ctx.name} was removed; its {what} deleted first.")
