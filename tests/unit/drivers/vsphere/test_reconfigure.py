"""Changing a VM: only what its configuration shows afterwards counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from controller.model import DiskId, Epoch, VmId
from drivers.base import Done, InDoubt, Outcome, Refused, Unreachable
from drivers.shared.faults import Doubt, NotSent
from drivers.vsphere.decide import Step, to_attach, to_detach
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Controller, Disk, File, Place, Vm
from drivers.vsphere.obstacles import Obstacles
from drivers.vsphere.reconfigure import Editor
from drivers.vsphere.requests import Change

PLACE = Place("datastore-1", "DS", "reberth")
ID = VmId("420f0b6c-1d2e-3f40-8a9b-0c1d2e3f4a5b")
ONE, TWO = DiskId("[DS] reberth/one.vmdk"), DiskId("[DS] reberth/two.vmdk")
EPOCH = Epoch(5)
CONTROLLER = Controller(1000, 0, paravirtual=True, taken=frozenset({0, 7}))


class VCenter:
    """One VM. ``errors`` answer the next changes; a change is carried out if it has none, or if ``anyway``."""

    def __init__(self, *disks: DiskId, epoch: int = 5, controllers: tuple[Controller, ...] = (CONTROLLER,)) -> None:
        extra = {"disk.enableuuid": "TRUE", "reberth.epoch": str(epoch), "reberth.vm": ID}
        self.now = Vm("vm-1", "one", ID, "poweredOn", "connected", "host-1", extra=extra, controllers=controllers)
        self.now = replace(self.now, disks=tuple(_disk(disk, index) for index, disk in enumerate(disks)))
        self.errors: list[NotSent | Doubt | Fault | None] = []
        self.anyway = False
        self.unreadable: Fault | None = None
        self.changes: list[Change] = []
        self.connection_after = "connected"
        self.unread_after = ""
        self.in_the_way = Obstacles()

    async def reconfigure(self, change: Change) -> None:
        self.changes.append(change)
        error = self.errors.pop(0) if self.errors else None
        if error is None or self.anyway:
            self._carry_out(change)
        if error is not None:
            raise error

    def _carry_out(self, change: Change) -> None:
        kept = [disk for disk in self.now.disks if disk not in change.remove]
        added = [_disk(DiskId(path), 100 + unit) for path, _, unit in change.add]
        made = [Controller(1000 + bus, bus, paravirtual=True, taken=frozenset({7})) for bus in change.controllers]
        self.now = replace(
            self.now,
            disks=(*kept, *added),
            controllers=(*self.now.controllers, *made),
            extra={**self.now.extra, **dict(change.extra)},
            connection=self.connection_after,
            unread=self.unread_after,
        )

    async def vm(self, ref: str) -> Vm:
        if self.unreadable is not None:
            raise self.unreadable
        return self.now

    async def obstacles(self, refs: Sequence[str]) -> Mapping[str, Obstacles]:
        return dict.fromkeys(refs, self.in_the_way)

    async def attach(self, *disks: DiskId, epoch: Epoch = EPOCH, editor: Editor | None = None) -> list[Outcome]:
        step: Step = to_attach([self.now], PLACE, disks, ID, epoch)
        outcomes = await (editor or Editor(self, 15)).attach(step, PLACE, ID, epoch)
        return [outcomes[disk] for disk in disks]

    async def detach(self, *disks: DiskId) -> list[Outcome]:
        step = to_detach([self.now], PLACE, disks, ID, EPOCH)
        outcomes = await Editor(self, 15).detach(step, PLACE, ID, EPOCH)
        return [outcomes[disk] for disk in disks]


def _disk(disk: DiskId, key: int) -> Disk:
    return Disk(key, 1000, key, (File("datastore-1", disk.removeprefix("[DS] ")),))


async def test_disks_go_in_one_change_and_are_done_when_they_show() -> None:
    vcenter = VCenter()
    assert await vcenter.attach(ONE, TWO) == [Done(), Done()]
    assert [len(change.add) for change in vcenter.changes] == [2]


async def test_a_disk_that_is_there_is_only_stamped_and_not_at_all_when_it_is_stamped() -> None:
    vcenter = VCenter(ONE, epoch=4)
    assert await vcenter.attach(ONE) == [Done()]
    assert [(change.add, dict(change.extra)["reberth.epoch"]) for change in vcenter.changes] == [((), "5")]
    assert await vcenter.attach(ONE) == [Done()]
    assert len(vcenter.changes) == 1


async def test_a_stamp_that_was_refused_is_not_done() -> None:
    vcenter = VCenter(ONE, epoch=4)
    vcenter.errors = [Fault(Kind.BUSY, "busy")]
    assert await vcenter.attach(ONE) == [Refused("busy")]


async def test_a_change_that_ended_well_but_does_not_show_is_in_doubt() -> None:
    vcenter = VCenter()
    vcenter.connection_after = "disconnected"
    (outcome,) = await vcenter.attach(ONE)
    assert isinstance(outcome, InDoubt)


async def test_a_disk_that_shows_without_our_stamp_is_not_ours_to_call_done() -> None:
    """Another leader has attached it: its epoch counts, and a grant under ours would be wrong."""

    class Overtaken(VCenter):
        def _carry_out(self, change: Change) -> None:
            super()._carry_out(replace(change, extra=(("reberth.epoch", "6"), ("reberth.vm", ID))))

    (outcome,) = await Overtaken().attach(ONE)
    assert isinstance(outcome, InDoubt)


async def test_a_change_that_was_carried_out_in_spite_of_an_error_is_done() -> None:
    for error in (Doubt("late"), Fault(Kind.HOST_LOST, "lost"), Fault(Kind.CONFIG, "x")):
        vcenter = VCenter(TWO)
        vcenter.errors, vcenter.anyway = [error], True
        assert await vcenter.attach(ONE) == [Done()]
        vcenter.errors = [error]
        assert await vcenter.detach(TWO) == [Done()]


async def test_what_did_not_happen_is_told_by_the_kind_of_the_error() -> None:
    for error, outcome in (
        (NotSent("no"), Unreachable("no")),
        (Doubt("late"), InDoubt("late")),
        (Fault(Kind.HOST_LOST, "lost"), InDoubt("lost")),
        (Fault(Kind.CANCELED, "canceled"), InDoubt("canceled")),
        (Fault(Kind.BUSY, "busy"), Refused("busy")),
        (Fault(Kind.PERMISSION, "no right"), Refused("no right")),
        (Fault(Kind.CONFIG, "locked"), Refused("locked", 30.0)),
        (Fault(Kind.UNKNOWN, "odd"), InDoubt("odd")),
        (Fault(Kind.STATE, "off"), Refused("off")),
        (Fault(Kind.STATE, "off", begun=True), InDoubt("off")),
    ):
        vcenter = VCenter(TWO)
        vcenter.errors = [error]
        assert await vcenter.attach(ONE) == [outcome]
        vcenter.errors = [error]
        assert await vcenter.detach(TWO) == [outcome]


async def test_what_is_in_the_way_is_said_with_the_refusal() -> None:
    """vCenter itself says only that the device is wrong."""
    vcenter = VCenter(ONE)
    vcenter.in_the_way = Obstacles(snapshot=True)
    vcenter.errors = [Fault(Kind.DEVICE, "InvalidDeviceSpec")]
    (outcome,) = await vcenter.detach(ONE)
    assert isinstance(outcome, Refused)
    assert outcome.why.startswith("InvalidDeviceSpec; one has a snapshot: ")
    assert outcome.retry_after == 30.0


async def test_a_vm_that_shows_no_devices_after_the_change_leaves_the_detach_in_doubt() -> None:
    vcenter = VCenter(ONE)
    vcenter.unread_after = "an empty device list"
    assert [type(each) for each in await vcenter.detach(ONE)] == [InDoubt]


async def test_a_vm_that_cannot_be_read_back_leaves_its_disks_in_doubt() -> None:
    vcenter = VCenter(TWO)
    vcenter.unreadable = Fault(Kind.UNKNOWN, "gone")
    assert [type(each) for each in await vcenter.attach(ONE)] == [InDoubt]
    assert [type(each) for each in await vcenter.detach(TWO)] == [InDoubt]


async def test_a_detach_after_which_the_host_is_lost_is_in_doubt() -> None:
    vcenter = VCenter(ONE)
    vcenter.connection_after = "disconnected"
    assert [type(each) for each in await vcenter.detach(ONE)] == [InDoubt]


async def test_a_disk_that_vcenter_names_does_not_take_the_others_down() -> None:
    for fault in (
        Fault(Kind.NOT_FOUND, "none", file="/vmfs/volumes/1/reberth/one-flat.vmdk"),
        Fault(Kind.DEVICE, "odd", device=0),
    ):
        vcenter = VCenter()
        vcenter.errors = [fault]
        first, second = await vcenter.attach(ONE, TWO)
        assert isinstance(first, Refused)
        assert second == Done()
        assert len(vcenter.changes) == 2


async def test_after_a_refusal_without_a_name_each_disk_goes_alone_and_the_first_refusal_ends_the_try() -> None:
    vcenter = VCenter()
    editor = Editor(vcenter, 15)
    vcenter.errors = [Fault(Kind.CONFIG, "locked")]
    await vcenter.attach(ONE, TWO, editor=editor)
    vcenter.errors = [Fault(Kind.CONFIG, "locked")]
    assert [type(each) for each in await vcenter.attach(ONE, TWO, editor=editor)] == [Refused, Refused]
    assert [len(change.add) for change in vcenter.changes] == [2, 1]
    vcenter.errors = [None, Fault(Kind.CONFIG, "locked")]
    assert [type(each) for each in await vcenter.attach(ONE, TWO, editor=editor)] == [Refused, Done]
    assert [change.add[0][0] for change in vcenter.changes[2:]] == [TWO, ONE]
    assert await vcenter.attach(ONE, editor=editor) == [Done()]


async def test_a_vm_that_is_busy_makes_no_disk_suspect() -> None:
    vcenter = VCenter()
    editor = Editor(vcenter, 15)
    vcenter.errors = [Fault(Kind.BUSY, "busy")]
    await vcenter.attach(ONE, TWO, editor=editor)
    assert await vcenter.attach(ONE, TWO, editor=editor) == [Done(), Done()]
    assert [len(change.add) for change in vcenter.changes] == [2, 2]


async def test_a_controller_is_added_in_a_change_of_its_own() -> None:
    vcenter = VCenter(controllers=())
    assert await vcenter.attach(ONE) == [Done()]
    assert [(change.controllers, len(change.add)) for change in vcenter.changes] == [((0,), 0), ((), 1)]


async def test_without_the_controller_nothing_is_attached() -> None:
    vcenter = VCenter(controllers=())
    vcenter.errors = [Fault(Kind.PERMISSION, "no right")]
    assert await vcenter.attach(ONE) == [Refused("no right")]
    assert len(vcenter.changes) == 1


async def test_a_disk_for_which_there_is_no_room_is_refused_and_the_others_are_attached() -> None:
    nearly = Controller(1000, 0, paravirtual=True, taken=frozenset(range(15)))
    full = [Controller(1000 + bus, bus, paravirtual=True, taken=frozenset(range(16))) for bus in (1, 2, 3)]
    outcomes = await VCenter(controllers=(nearly, *full)).attach(ONE, TWO)
    done, refused = outcomes
    assert done == Done()
    assert isinstance(refused, Refused)
    assert refused.why == "one has no free place for another disk"
    assert refused.cure is not None, "waiting cannot help: Swarm should try another node"
