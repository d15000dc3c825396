"""Whether a server answers for single settings: seen, and never taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pyVmomi import vim, vmodl
from pyVmomi.VmomiSupport import GetVmodlType

from drivers.vsphere.client.keyed import ALL, answers_keys, path_of, paths

Collector = vmodl.query.PropertyCollector
Settings = Mapping[str, str]
OPTIONS: Any = GetVmodlType("vim.option.OptionValue[]")


class Server:
    """VMs with settings. ``manner``: how it answers for a single one."""

    def __init__(self, vms: Mapping[str, Settings], manner: str) -> None:
        self.vms = vms
        self.manner = manner
        self.whole_reads = 0
        self.propertyCollector = self  # the content of a session

    def RetrievePropertiesEx(self, specs: list[Any], options: object) -> Any:  # noqa: N802
        (spec,) = specs
        wanted = spec.propSet[0].pathSet
        refs = [each.obj._moId for each in spec.objectSet]
        self.whole_reads += ALL in wanted
        if self.manner == "refuses" and ALL not in wanted:
            raise vmodl.query.InvalidProperty(name=wanted[0])
        return Collector.RetrieveResult(objects=[self._object(ref, wanted) for ref in refs])

    def _object(self, ref: str, wanted: list[str]) -> Any:
        options = {key: vim.option.OptionValue(key=key, value=value) for key, value in self.vms[ref].items()}
        found: list[Any] = []
        missing: list[Any] = []
        for path in wanted:
            value: Any = OPTIONS(options.values()) if path == ALL else None
            for key, option in options.items():
                if path == path_of(key) and self.manner in {"answers", "complains"}:
                    value = option
            if path != ALL and self.manner == "echoes":
                value = vim.option.OptionValue(key="other", value="other")
            if value is not None:
                found.append(vmodl.DynamicProperty(name=path, val=value))
            elif self.manner == "complains":
                fault = vmodl.query.InvalidProperty(name=path)
                missing.append(Collector.MissingProperty(path=path, fault=fault))
        return Collector.ObjectContent(obj=vim.VirtualMachine(ref), propSet=found, missingSet=missing)


def asks(server: Server) -> bool:
    vms = [vim.VirtualMachine(ref) for ref in server.vms]
    return answers_keys(server, [Collector.ObjectSpec(obj=vm) for vm in vms], vms)


OURS, THEIRS = {"disk.EnableUUID": "TRUE", "guestinfo.userdata": "x"}, {"svga.present": "TRUE"}


def test_a_vm_with_a_setting_of_ours_shows_it_and_nothing_is_read_whole() -> None:
    server = Server({"vm-1": THEIRS, "vm-2": OURS}, "answers")
    assert asks(server)
    assert server.whole_reads == 0


def test_where_no_vm_has_one_it_is_tried_with_a_setting_of_theirs() -> None:
    assert asks(Server({"vm-1": {}, "vm-2": THEIRS}, "answers"))
    assert not asks(Server({"vm-1": {}}, "answers"))


@pytest.mark.parametrize("manner", ["refuses", "ignores", "echoes", "complains"])
@pytest.mark.parametrize("settings", [OURS, THEIRS])
def test_a_server_that_answers_in_any_other_way_is_asked_for_all_of_them(manner: str, settings: Settings) -> None:
    """An error for each VM without a setting would make every look fail; a wrong answer would hide an epoch."""
    assert not asks(Server({"vm-1": settings}, manner))


def test_the_setting_that_guests_need_is_asked_for_in_the_spellings_of_guides() -> None:
    """A VM's own file is read whatever the case; a key of the API is not known to be."""
    assert {path_of("disk.EnableUUID"), path_of("disk.enableUUID")} <= set(paths(keyed=True))
    assert paths(keyed=False) == (ALL,)
