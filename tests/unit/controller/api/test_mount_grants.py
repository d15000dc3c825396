"""A Mount does not say whose it is: which permission it may use follows from what the gate counts."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from controller.api.mount_grants import AskedMount, permission, usable
from controller.api.node_registry import Caller
from controller.model import BootId, Claim, GateVolume, Handout, MountState, NodeId, VolumeRecord
from drivers.base import DeviceHint
from tests.support.worlds import claim, grant, record, running, said_of, twice, vm, world

CALLER = Caller(NodeId("n1"), vm(1), BootId("b1"))
BOTH = record(grant(1), grant(1, "t2", 2))


def mounted(*users: int, floor: int = 0) -> GateVolume:
    return said_of(MountState.MOUNTED, max((*users, floor)), users, floor)


ASKED = {
    "nothing is mounted yet": (record(grant(1)), claim(1), None, 1),
    "its own mount is counted: a second container gets nothing": (record(grant(1)), claim(1), mounted(1), None),
    "its container has the volume at two places, and one mount is counted": (
        record(grant(1)), twice(claim(1)), mounted(1), 1
    ),
    "its container has the volume at two places, and both are counted": (
        record(grant(1)), twice(claim(1)), mounted(1, 1), None
    ),
    "two services, and nobody has mounted yet": (BOTH, claim(1, "t2", "t1"), None, 2),
    "two services, and the newer one has it mounted": (BOTH, claim(1, "t2", "t1"), mounted(2), 1),
    "the grant is up to the floor": (BOTH, claim(1, "t1"), mounted(2, floor=1), None),
    "the gate has forgotten whose mount it has": (BOTH, claim(1, "t2", "t1"), mounted(0), None),
    "it was unmounted under that serial": (record(grant(1)), claim(1), said_of(MountState.UNMOUNTED, 1), None),
    "it was unmounted under an older one": (
        record(grant(1, serial=2)), claim(1), said_of(MountState.UNMOUNTED, 1), 2
    ),
    "the task is wanted no more": (record(grant(1)), claim(1, "t2"), None, None),
    "the task runs, so its mounts are behind it": (record(grant(1)), running(claim(1)), None, None),
    "the grant is revoked": (record(grant(1), serial=2), claim(1), None, None),
    "the grant is of another boot": (record(grant(1, boot="b0")), claim(1), None, None),
    "the claim is on another node": (record(grant(1)), claim(2), None, None),
}  # fmt: skip


@pytest.mark.parametrize(("volume", "wanted", "said", "serial"), ASKED.values(), ids=ASKED.keys())
def test_a_mount_uses_the_newest_grant_under_which_one_is_left(
    volume: VolumeRecord, wanted: Claim, said: GateVolume | None, serial: int | None
) -> None:
    found = usable(volume, wanted, said, CALLER)

    assert (None if found is None else found.serial) == serial


BESIDE = {
    "all whom Swarm wants here run": (running(claim(1, "t1", "t2")), True),
    "one of them is still to mount": (
        replace(claim(1), tasks=(*running(claim(1, "t1")).tasks, *claim(1, "t2").tasks)), False
    ),
    "it is wanted, and not placed": (claim(None), False),
    "its service is scaled to nothing": (replace(claim(None), tasks=(), services=("db",)), True),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "refused"), BESIDE.values(), ids=BESIDE.keys())
def test_who_asks_where_no_task_is_still_to_mount_is_refused_at_once(wanted: Claim, refused: bool) -> None:
    found = AskedMount(CALLER, wanted.volume, BOTH, wanted, mounted(1)).not_yours(world(), "swarm01")

    assert (found is not None) == refused


def test_a_gate_is_told_how_many_mounts_a_permission_is_good_for() -> None:
    """The gate holds to it, too: reports take a moment, and two Mounts may ask at once."""
    volume = record(grant(1))
    one = permission(volume, volume.grants[0], claim(1), DeviceHint(("disk",)))
    two = permission(volume, volume.grants[0], twice(claim(1)), DeviceHint(("disk",)))

    assert (one.serial, one.task, one.mounts, two.mounts) == (1, "t1", 1, 2)


def test_a_gate_is_told_of_owner_mode_and_mount_options_only_what_was_said() -> None:
    """One of an older version refuses the fields that it does not know, and mounts all other volumes."""
    plain = record(grant(1))
    said = replace(plain, spec=replace(plain.spec, handout=Handout(472, 0, 0o750, ("noatime",))))
    told = [permission(each, each.grants[0], claim(1), DeviceHint(("disk",))) for each in (plain, said)]

    assert not {"uid", "gid", "mode", "mount_options"} & msgspec.to_builtins(told[0]).keys()
    assert (told[1].uid, told[1].gid, told[1].mode, told[1].mount_options) == (472, 0, 0o750, ("noatime",))


def test_a_gate_is_told_how_to_make_a_file_system_only_while_it_may() -> None:
    new = record(grant(1), formatted=False)
    new = replace(new, spec=replace(new.spec, handout=Handout(mkfs_options=("reserved=0",))))
    told = [
        permission(each, new.grants[0], claim(1), DeviceHint(("disk",))) for each in (new, replace(new, formatted=True))
    ]
    assert [each.mkfs_options for each in told] == [("reserved=0",), ()]


def test_a_gate_is_told_that_a_volume_is_read_only_and_then_never_to_format_it() -> None:
    plain = record(grant(1))
    said = replace(plain, formatted=False, spec=replace(plain.spec, read_only=True))
    told = [permission(each, each.grants[0], claim(1), DeviceHint(("disk",))) for each in (plain, said)]

    assert "read_only" not in msgspec.to_builtins(told[0])
    assert (told[1].read_only, told[1].may_format) == (True, False)


@pytest.mark.parametrize(
    ("volume", "wanted", "void"),
    [
        (record(grant(1, serial=7)), claim(1), 6),
        (record(grant(1, serial=5), grant(1, "t2", 7)), claim(1, "t2", "t1"), 4),
        (record(grant(1, serial=5), grant(1, "t2", 7)), claim(1, "t2"), 6),
        (record(grant(1, serial=5, boot="b0"), grant(1, "t2", 7)), claim(1, "t2", "t1"), 6),
    ],
    ids=["alone", "shared", "of a task that is wanted no more", "of another boot"],
)
def test_a_gate_is_told_which_earlier_permissions_count_no_more(volume: VolumeRecord, wanted: Claim, void: int) -> None:
    """One that came late would let in a container whose successor was granted the volume meanwhile."""
    assert permission(volume, volume.grants[-1], wanted, DeviceHint(("disk",))).void == void
