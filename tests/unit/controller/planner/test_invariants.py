"""What must never be true of a World is found, and a sound World is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import BootId, DiskId, Intent, Operation, Phase, VolumeKey, VolumeName, World
from controller.planner.invariants import violations
from tests.support.worlds import EPOCH, claim, grant, on, record, vm, world

OTHER = replace(record(), name=VolumeName("other"), key=VolumeKey("other"), fs_uuid="u2", disk=DiskId("d2"))


def two(**changes: object) -> World:
    return replace(world(), volumes={"data": record(), "other": replace(OTHER, **changes)})  # type: ignore[arg-type, dict-item]


BROKEN = {
    "attached to 2 VMs": world(on(1), on(2), volume=record()),
    "ready but has no disk": world(volume=record(disk=None, formatted=False)),
    "formatted but has no disk": world(volume=record(phase=Phase.CREATING, disk=None)),
    "granted but has no disk": world(volume=record(grant(1), phase=Phase.CREATING, disk=None, formatted=False)),
    "granted to several VMs or boots (vm1, vm2)": world(volume=record(grant(1), grant(2, serial=2))),
    "granted to several VMs or boots (vm1)": world(volume=record(grant(1), grant(1, serial=2, boot="b9"))),
    "two grants under one serial": world(volume=record(grant(1), grant(1, "t2"))),
    "a grant above its serial": world(volume=record(grant(1, serial=3), serial=2)),
    "task t1 may mount on VM vm1, but the disk is on vm2": world(on(2), volume=record(grant(1))),
    "have the same disk": two(disk=record().disk),
    "have the same key": two(key=record().key),
    "have the same file system UUID": two(fs_uuid=record().fs_uuid),
}


@pytest.mark.parametrize(("sentence", "w"), BROKEN.items(), ids=BROKEN.keys())
def test_a_broken_world_is_named(sentence: str, w: World) -> None:
    """Each broken law gives one sentence that says which volume and what is wrong."""
    assert [v for v in violations(w) if sentence in v]


SOUND = {
    "granted where the disk is": world(on(1), volume=record(grant(1)), wanted=claim(1)),
    "granted to two tasks on one node": world(on(1), volume=record(grant(1), grant(1, "t2", 2))),
    "revoked and on its way": world(on(2), volume=record(grant(1), serial=2)),
    "being detached as a fence": world(
        on(2), volume=record(grant(1), intent=Intent(Operation.DETACH, EPOCH, vm(1)))
    ),
    "granted and pulled out by hand": world(volume=record(grant(1))),
    "two volumes": two(),
    "nothing read": replace(world(), volumes=None, attachments=None),
    "a disk of nobody on two VMs": world(on(1), on(2)),
}  # fmt: skip


@pytest.mark.parametrize("w", SOUND.values(), ids=SOUND.keys())
def test_a_sound_world_is_left_alone(w: World) -> None:
    """What may happen on the way is no violation."""
    assert violations(w) == ()


def test_boots_are_told_apart() -> None:
    """The same VM in two boots is two holders."""
    assert violations(world(volume=record(grant(1), grant(1, "t2", 2, boot=BootId("b2")))))


def test_names_are_compared_also_where_there_is_no_disk_yet() -> None:
    """Two new volumes under one key would get one disk."""
    young = {"phase": Phase.CREATING, "disk": None, "formatted": False}
    w = replace(world(), volumes={"data": record(**young), "other": replace(OTHER, key=record().key, **young)})  # type: ignore[arg-type, dict-item]

    assert [v for v in violations(w) if "have the same key" in v]
