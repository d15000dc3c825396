"""Which disk a new volume is to begin as a copy of: another volume's, or that of one of its snapshots. Pure."""

from __future__ import annotations

from controller.model import DiskId, Phase, SnapshotState, VolumeRecord


def to_copy(source: VolumeRecord, snapshot: str) -> tuple[DiskId, int] | str:
    """The disk with its size, or why there is none. ``snapshot`` empty: the volume itself, as it is then."""
    why = _not_to_be_copied(source)
    if why is not None or source.disk is None:
        return why or f"volume {source.name} has no disk"
    return (source.disk, source.spec.size_bytes) if not snapshot else _kept(source, snapshot)


def _kept(source: VolumeRecord, snapshot: str) -> tuple[DiskId, int] | str:
    """A volume may have grown since."""
    there = [each for each in source.snapshots.each if each.state is SnapshotState.THERE]
    for each in there:
        if each.name == snapshot and each.disk is not None:
            return each.disk, each.size_bytes
    known = ", ".join(each.name for each in there) or "none"
    return f"volume {source.name} has no snapshot {snapshot} to copy; it has: {known}"


def _not_to_be_copied(source: VolumeRecord) -> str | None:
    if source.phase is Phase.DELETING:
        return f"volume {source.name} is being deleted, so it cannot be copied: name another one in clone-from"
    if source.phase is Phase.CREATING or source.disk is None:
        return f"volume {source.name} is still being made, so it cannot be copied yet: wait until a service has used it"
    if not source.formatted:
        return (
            f"volume {source.name} was never used, so there is nothing to copy: start a service that mounts it once, "
            "or make the new volume with a size instead of clone-from"
        )
    return None
