"""
A failover that vCenter stands in the way of: the disk is taken for free by nobody, the reason is told, and once an
administrator has cleared it the disk moves. The drills of `tests/drills/test_vsphere.py` play the same on a real swarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from controller.model import DiskId, Power
from drivers.base import Done, Refused
from reberth.testing.asking import ONE, TWO, held, kinds, new_disk
from tests.conformance.vsphere_rig import VsphereFaultsRig

ELSEWHERE = "[LocalDS_0] DC0_C0_RP0_VM0/DC0_C0_RP0_VM0_1.vmdk"


@dataclass(frozen=True)
class Hindrance:
    """A fault of the layer and how it is taken back; ``{file}`` is the disk's. ``says``: what has to be told."""

    fault: str
    form: Mapping[str, str]
    back: Mapping[str, str]
    says: str


HINDRANCES = {
    "a snapshot": Hindrance("snapshot", {}, {"off": "1"}, "has a snapshot"),
    "Storage vMotion": Hindrance(
        "move", {"file": "{file}", "to": ELSEWHERE}, {"file": ELSEWHERE, "to": "{file}"}, "Storage vMotion"
    ),
    "an empty device list": Hindrance("empty", {}, {"off": "1"}, "an empty device list"),
}


@pytest.mark.parametrize("name", HINDRANCES)
async def test_a_disk_that_vcenter_holds_fast_or_hides_moves_once_that_is_cleared_and_not_before(name: str) -> None:
    hindrance = HINDRANCES[name]
    async with VsphereFaultsRig() as rig:
        disk, old, new = await new_disk(rig), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([disk], old, ONE)
        await put(rig, hindrance, hindrance.form, rig.admin.name(old), disk)
        await rig.switch(old, Power.OFF)

        listed = await rig.rival.list_attachments()
        assert old not in listed.seen or disk in {each.disk for each in listed.attachments}
        assert kinds(await rig.rival.attach([disk], new, TWO)) == [Refused]
        (refused,) = await rig.rival.detach([disk], old, TWO)
        assert isinstance(refused, Refused)
        assert hindrance.says in refused.why
        assert disk in rig.admin.disks(old) or not rig.admin.disks(old) or ELSEWHERE in rig.admin.disks(old)

        await put(rig, hindrance, hindrance.back, rig.admin.name(old), disk)
        assert await held(rig) == {(disk, old)}
        assert await rig.rival.detach([disk], old, TWO) == [Done()]
        assert await rig.rival.attach([disk], new, TWO) == [Done()]
        assert await held(rig) == {(disk, new)}


async def put(rig: VsphereFaultsRig, hindrance: Hindrance, form: Mapping[str, str], vm: str, disk: DiskId) -> None:
    await rig.fault(hindrance.fault, vm=vm, **{key: value.format(file=disk) for key, value in form.items()})
