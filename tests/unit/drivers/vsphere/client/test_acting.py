"""What is asked of vCenter to change a VM, as pyVmomi sends it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pyVmomi import vim

from drivers.vsphere.client.acting import copy_disk, reconfigure
from drivers.vsphere.inventory import Disk, File
from drivers.vsphere.requests import Change

HELD = Disk(
    2001, 1000, 3, (File("datastore-1", "reberth/a.vmdk"),), "6000C29a", "[DS] reberth/a.vmdk", 1024, "persistent"
)


class Stub:
    """Keeps what a method was called with."""

    def InvokeMethod(self, _mo: object, _info: object, args: Any) -> object:  # noqa: N802
        self.args = args
        return vim.Task("task-1")


def asked(change: Change) -> Any:
    stub: Any = Stub()
    now: Any = SimpleNamespace(stub=stub)
    assert reconfigure(now, change) == "task-1"
    return stub.args[0]


def test_a_detach_names_the_whole_device_and_leaves_its_file() -> None:
    """A key alone is legacy, and newer servers are said to refuse it."""
    (change,) = asked(Change("vm-1", "v1", (), remove=(HELD,))).deviceChange
    assert (change.operation, change.fileOperation) == ("remove", None)
    sent = change.device
    assert (sent.key, sent.controllerKey, sent.unitNumber, sent.capacityInKB) == (2001, 1000, 3, 1024)
    assert (sent.backing.fileName, sent.backing.uuid) == ("[DS] reberth/a.vmdk", "6000C29a")
    assert (sent.backing.diskMode, sent.backing.datastore._moId) == ("persistent", "datastore-1")


def test_an_attach_is_of_an_independent_disk_that_exists_in_its_slot_for_the_version_that_was_seen() -> None:
    spec = asked(Change("vm-1", "v1", (("reberth.epoch", "7"),), add=(("[DS] reberth/a.vmdk", 1000, 4),)))
    (change,) = spec.deviceChange
    assert (spec.changeVersion, [(each.key, each.value) for each in spec.extraConfig]) == (
        "v1",
        [("reberth.epoch", "7")],
    )
    assert (change.operation, change.fileOperation) == ("add", None)
    assert (change.device.controllerKey, change.device.unitNumber) == (1000, 4)
    assert (change.device.backing.fileName, change.device.backing.diskMode) == (
        "[DS] reberth/a.vmdk",
        "independent_persistent",
    )


def test_only_esxi_is_told_the_format_of_a_copy() -> None:
    """vCenter does not implement it, and makes the copy thick: so the guide says."""
    for kind, told in (("VirtualCenter", None), ("HostAgent", "thin")):
        stub: Any = Stub()
        content = SimpleNamespace(
            about=SimpleNamespace(apiType=kind), virtualDiskManager=vim.VirtualDiskManager("m", stub)
        )
        now: Any = SimpleNamespace(content=content, datacenter=vim.Datacenter("datacenter-1"))
        copy_disk(now, "[DS] a.vmdk", "[DS] b.vmdk", "thin")
        spec = stub.args[4]
        assert (None if spec is None else spec.diskType) == told
