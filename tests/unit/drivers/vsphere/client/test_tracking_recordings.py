"""Updates as a vCenter 5.5 was recorded to tell them: `tests/fixtures/vcenter/`, made anew by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyVmomi import vmodl

from drivers.vsphere.client.tracking import Entity, Tracker, without_values
from drivers.vsphere.inventory import Vm
from tests.support.replay import Replay

Collector = vmodl.query.PropertyCollector


class Looks:
    """Reads by name what the updates name."""

    def __init__(self, *shapes: str) -> None:
        self.stub = Replay(WaitForUpdatesEx=" ".join(shapes))
        self.read: list[list[str]] = []
        self.tracker = Tracker(self._whole, self._some, 100.0, lambda: 0.0)

    def _whole(self) -> tuple[Entity, ...]:
        return Vm("vm-48", "node-a"), Vm("vm-49", "node-b")

    def _some(self, objects: Iterable[Any]) -> list[Entity]:
        self.read.append([str(each._moId) for each in objects])
        return [Vm(ref, "read again") for ref in self.read[-1]]

    def look(self) -> dict[str, str]:
        with self.stub.shortening(without_values):
            found = self.tracker.look(lambda: Collector("session[1]2", self.stub))
        return {each.ref: getattr(each, "name", "") for each in found}


def test_a_first_look_goes_through_parts_whose_versions_are_no_numbers() -> None:
    looks = Looks("updates-first", "updates-last", "updates-none")
    assert looks.look() == {"vm-48": "node-a", "vm-49": "node-b"}
    assert looks.stub.asked == ["WaitForUpdatesEx"] * 2
    assert looks.look() == {"vm-48": "node-a", "vm-49": "node-b"}
    assert looks.read == []


def test_a_vm_that_was_changed_is_read_again_and_one_that_left_is_gone() -> None:
    looks = Looks("updates-first", "updates-last", "updates-changed", "updates-none")
    looks.look()
    assert looks.look() == {"vm-48": "read again"}
    assert looks.read == [["vm-48"]]


def test_the_names_of_objects_are_left_where_values_are_taken_out_and_nothing_else_is() -> None:
    stub = Replay(WaitForUpdatesEx="updates-changed")
    with stub.shortening(without_values):
        found: Any = Collector("session[1]2", stub).WaitForUpdatesEx("1", Collector.WaitOptions(maxWaitSeconds=0))
    updates = [each for part in found.filterSet for each in part.objectSet]
    assert [(each.kind, each.obj._moId, len(each.changeSet)) for each in updates] == [
        ("modify", "vm-48", 0),
        ("leave", "vm-49", 0),
    ]
