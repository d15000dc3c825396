"""Answers of vCenter that are less than what was asked for, and what is read of disks that others put there."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from drivers.shared.faults import Doubt
from drivers.vsphere.client.obstacles import read_obstacles, rooms
from drivers.vsphere.client.reading import read_again, read_task
from drivers.vsphere.faults import Kind
from drivers.vsphere.inventory import Found, Place, Vm
from drivers.vsphere.obstacles import Obstacles, Store
from drivers.vsphere.requests import searched

Collector = vmodl.query.PropertyCollector
PLACE = Place("datastore-1", "vsan", "reberth", aliases=("5a0b-1",))
DS = vim.Datastore("datastore-1")


def server(**objects: dict[str, Any]) -> Any:
    """Answers for these objects alone, by ID with ``_`` for a hyphen. What an open session has of it."""

    def retrieve(specs: Any, _options: object) -> Any:
        found = []
        for each in specs[0].objectSet:
            values = objects.get(each.obj._moId.replace("-", "_"))
            if values is not None:
                kept = [SimpleNamespace(name=name, val=value) for name, value in values.items()]
                found.append(SimpleNamespace(obj=each.obj, propSet=kept, missingSet=[]))
        return SimpleNamespace(objects=found, token=None)

    collector = SimpleNamespace(RetrievePropertiesEx=retrieve)
    return SimpleNamespace(
        content=SimpleNamespace(propertyCollector=collector),
        stub=None,
        wires=SimpleNamespace(shortening=lambda _by: nullcontext()),
        memo=SimpleNamespace(keyed=False),
        place=PLACE,
    )


def test_a_vm_or_a_host_that_vcenter_leaves_out_of_its_answer_was_not_read() -> None:
    """What was read of it before is not what it is now: an old "off" would count as evidence."""
    known = Vm("vm-1", "one", host="host-1")
    host = {"runtime.connectionState": "connected"}
    assert read_again(server(vm_1={"name": "one"}, host_1=host), [known]).hosts == {"host-1": "connected"}
    for partial in (server(host_1=host), server(vm_1={"name": "one"})):
        with pytest.raises(Doubt, match="out of its answer"):
            read_again(partial, [known])


def test_a_search_that_ended_without_a_result_has_not_found_nothing() -> None:
    """A disk that is not found may be made anew, empty."""
    nothing = vim.host.DatastoreBrowser.SearchResults(file=[])
    state = {"info.state": "success"}
    assert searched(read_task(server(task_1={**state, "info.result": nothing}), "task-1")) == ()
    file = vim.host.DatastoreBrowser.FileInfo(path="a.vmdk", fileSize=5)
    result = vim.host.DatastoreBrowser.SearchResults(file=[file])
    assert searched(read_task(server(task_1={**state, "info.result": result}), "task-1")) == (Found("a.vmdk", None, 5),)
    with pytest.raises(Doubt, match="without a result"):
        searched(read_task(server(task_1=state), "task-1"))


def test_a_task_that_failed_without_saying_how_is_in_doubt() -> None:
    fault = read_task(server(task_1={"info.state": "error"}), "task-1").fault
    assert fault is not None
    assert (fault.kind, fault.in_doubt) == (Kind.UNKNOWN, True)


def test_whatever_keeps_a_vm_from_being_changed_is_read() -> None:
    host = vim.HostSystem("host-1")
    question = SimpleNamespace(text="There is no more space. Retry?")
    vm = {
        "snapshot.currentSnapshot": vim.vm.Snapshot("snapshot-1"),
        "runtime.consolidationNeeded": True,
        "runtime.question": question,
        "disabledMethod": ["ReconfigVM_Task"],
        "config.keyId": SimpleNamespace(keyId="k"),
        "config.version": "vmx-13",
        "runtime.host": host,
    }
    store = {"summary.accessible": True, "summary.maintenanceMode": "inMaintenance", "summary.freeSpace": 5, "host": []}
    esx = {"name": "esx1", "runtime.inMaintenanceMode": True}
    found = read_obstacles(server(vm_1=vm, datastore_1=store, host_1=esx), ["vm-1"], PLACE, wide=True)["vm-1"]
    assert found == Obstacles(
        snapshot=True,
        consolidation=True,
        question=question.text,
        disabled=frozenset({"ReconfigVM_Task"}),
        encrypted=True,
        stores=(Store("vsan", True, "inMaintenance", 5),),
        host="esx1",
        leaving=True,
        hardware=13,
        wide=True,
    )
    assert read_obstacles(server(vm_1={}), ["vm-1"], PLACE, wide=False)["vm-1"] == Obstacles(stores=(Store("vsan"),))


def disk(path: str, **more: Any) -> Any:
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=path, datastore=DS, **more)
    return vim.vm.device.VirtualDisk(key=2000, backing=backing)


def test_disks_of_ours_that_were_attached_so_that_they_may_be_lost_are_told_by_whatever_name_they_are_shown() -> None:
    """Of vSAN's datastores our folder is shown by its ID."""
    devices = [
        disk("[vsan] 5a0b-1/shared.vmdk", sharing="sharingMultiWriter"),
        disk("[vsan] 5a0b-1/lost.vmdk", diskMode="independent_nonpersistent"),
        disk("[vsan] 5a0b-1/fine.vmdk", diskMode="independent_persistent", sharing="sharingNone"),
        disk("[vsan] other/else.vmdk", diskMode="append", sharing="sharingMultiWriter"),
        vim.vm.device.VirtualDisk(key=2001),
    ]
    found = read_obstacles(server(vm_1={"config.hardware.device": devices}), ["vm-1"], None, wide=False)["vm-1"]
    assert found.sharing == ("[vsan] 5a0b-1/shared.vmdk",)
    assert found.forgetful == ("[vsan] 5a0b-1/lost.vmdk",)


def test_a_datastore_that_cannot_be_reached_is_not_called_full() -> None:
    """Its numbers are of no worth then: vCenter shows 0."""
    away = {"summary.accessible": False, "summary.freeSpace": 0, "summary.capacity": 2**40}
    found = read_obstacles(server(vm_1={}, datastore_1=away), ["vm-1"], PLACE, wide=False)["vm-1"]
    assert [(each.accessible, each.free_bytes) for each in found.stores] == [(False, None)]
    assert rooms(server(datastore_1=away), [PLACE]) == {}
    (room,) = rooms(server(datastore_1={**away, "summary.accessible": True}), [replace(PLACE)]).values()
    assert (room.free, room.size) == (0, 2**40)
