"""A policy that is given after the attach: to what lacks it, and never at the attach's cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from controller.model import DiskId, Epoch, VmId
from drivers.shared.faults import Doubt
from drivers.vsphere.afterwards.policy import give_policies
from drivers.vsphere.inventory import Disk, File, Place, Vm
from drivers.vsphere.requests import Change

PLACE = Place("datastore-1", "DS", "reberth")
HELD = Disk(2001, 1000, 3, (File("datastore-1", "reberth/a.vmdk"),), name="[DS] reberth/a.vmdk")
UUID = "cd0681bf-2f18-5c00-9b9b-8197c0095348"
VM = Vm("vm-1", "one", uuid=UUID, change_version="v2", disks=(HELD,))
A = DiskId("[DS] reberth/a.vmdk")
GOLD = {A: "gold"}


@dataclass
class Storage:
    """VMs with a policy service."""

    lacks: bool = True
    changes: list[Change] = field(default_factory=list)
    away: bool = False

    async def policy(self, name: str) -> str:
        if self.away or name == "gone":
            raise Doubt("no answer")
        return f"id of {name}"

    async def without_policy(self, ref: str, disks: Sequence[Disk], policy: str) -> tuple[Disk, ...]:
        assert (ref, policy) == ("vm-1", "id of gold")
        return tuple(disks) if self.lacks else ()

    async def reconfigure(self, change: Change) -> None:
        self.changes.append(change)

    async def vm(self, ref: str) -> Vm:
        assert ref == "vm-1"
        return VM


async def given(storage: Storage, wanted: Mapping[DiskId, str] = GOLD) -> list[Change]:
    await give_policies(storage, [VM], PLACE, wanted, VmId(UUID), Epoch(5))
    return storage.changes


async def test_a_device_without_the_policy_gets_it_for_the_version_that_was_read() -> None:
    (change,) = await given(Storage())
    assert (change.policed, change.policy, change.version) == ((HELD,), "id of gold", "v2")
    assert ("reberth.epoch", "5") in change.extra


async def test_what_has_it_or_needs_none_is_left_alone() -> None:
    assert await given(Storage(lacks=False)) == []
    assert await given(Storage(), {}) == []


async def test_a_policy_that_is_gone_keeps_no_other_disk_from_its_own() -> None:
    gone = DiskId("[DS] reberth/b.vmdk")
    with capture_logs() as logs:
        (change,) = await given(Storage(), {gone: "gone", **GOLD})
    assert change.policed == (HELD,)
    assert [(each["event"], each["disks"]) for each in logs if each["log_level"] == "warning"] == [
        ("policy.not_given", [gone])
    ]


async def test_a_policy_service_that_is_away_is_only_told_of() -> None:
    with capture_logs() as logs:
        assert await given(Storage(away=True)) == []
    assert [each["event"] for each in logs] == ["policy.not_given"]
