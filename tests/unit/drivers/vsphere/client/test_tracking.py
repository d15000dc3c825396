"""What a look by updates shows, on a server that tells of changes as vCenter does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest
from pyVmomi import vim, vmodl
from structlog.testing import capture_logs

from drivers.shared.faults import Doubt
from drivers.vsphere.client.parts import PAGE
from drivers.vsphere.client.tracking import Entity, Tracker, without_values
from drivers.vsphere.inventory import Vm

Collector = vmodl.query.PropertyCollector


class Server:
    """Objects, and a collector that names those that changed since it was asked last; ``mute``: it names none."""

    def __init__(self, count: int) -> None:
        self.objects: dict[str, Entity] = {f"vm-{n}": Vm(f"vm-{n}", f"vm-{n}") for n in range(count)}
        self.pending: list[tuple[str, str]] = []
        self.collectors = self.destroyed = 0
        self.whole_reads = 0
        self.read: list[str] = []
        self.mute = self.away = False
        self.now = 0.0

    def begin(self) -> Server:
        self.collectors += 1
        self.pending = [("enter", ref) for ref in self.objects]
        return self

    def DestroyPropertyCollector(self) -> None:  # noqa: N802 -- vSphere's name
        self.destroyed += 1
        if self.away:
            raise OSError("broken")

    def change(self, ref: str, name: str) -> None:
        found = self.objects[ref]
        assert isinstance(found, Vm)
        self.objects[ref] = replace(found, name=name)
        if not self.mute:
            self.pending.append(("modify", ref))

    def remove(self, ref: str, *, told: bool = True) -> None:
        del self.objects[ref]
        if told:
            self.pending.append(("leave", ref))

    def WaitForUpdatesEx(self, version: str, options: Any) -> Any:  # noqa: N802
        assert options.maxWaitSeconds == 0
        some, self.pending = self.pending[: options.maxObjectUpdates], self.pending[options.maxObjectUpdates :]
        if not some:
            return None
        updates = [Collector.ObjectUpdate(kind=kind, obj=vim.VirtualMachine(ref)) for kind, ref in some]
        part = Collector.FilterUpdate(objectSet=updates)
        return Collector.UpdateSet(version=f"{version}+", filterSet=[part], truncated=bool(self.pending))

    def whole(self) -> tuple[Entity, ...]:
        self.whole_reads += 1
        return tuple(self.objects.values())

    def some(self, objects: Iterable[Any]) -> list[Entity]:
        if self.away:
            raise OSError("broken")
        refs = [str(each._moId) for each in objects]
        assert len(refs) <= PAGE
        for ref in refs:
            if ref not in self.objects:
                raise vmodl.fault.ManagedObjectNotFound(obj=vim.VirtualMachine(ref))
        self.read += refs
        return [self.objects[ref] for ref in refs]

    def tracker(self, every: float = 100.0) -> Tracker:
        return Tracker(self.whole, self.some, every, lambda: self.now)


def names(tracker: Tracker, server: Server) -> list[str]:
    return sorted(each.name for each in tracker.look(server.begin) if isinstance(each, Vm))


def test_only_what_changed_is_read_after_the_first_look() -> None:
    server = Server(PAGE * 3)
    tracker = server.tracker()
    assert len(tracker.look(server.begin)) == PAGE * 3
    server.change("vm-7", "seven")
    assert "seven" in names(tracker, server)
    assert (server.whole_reads, server.read) == (1, ["vm-7"])
    assert "seven" in names(tracker, server)
    assert server.read == ["vm-7"]


def test_many_changes_are_read_in_pages() -> None:
    server = Server(PAGE * 2)
    tracker = server.tracker()
    tracker.look(server.begin)
    for ref in list(server.objects):
        server.change(ref, "new")
    assert set(names(tracker, server)) == {"new"}
    assert server.whole_reads == 1


def test_an_object_that_left_is_not_shown_also_when_it_goes_while_it_is_read() -> None:
    server = Server(3)
    tracker = server.tracker()
    tracker.look(server.begin)
    server.remove("vm-0")
    server.change("vm-1", "one")
    server.remove("vm-1", told=False)
    assert names(tracker, server) == ["vm-2"]


def test_everything_is_read_again_after_its_time() -> None:
    server = Server(1)
    tracker = server.tracker()
    tracker.look(server.begin)
    server.mute = True
    server.change("vm-0", "untold")
    assert names(tracker, server) == ["vm-0"]
    server.now = 101.0
    assert names(tracker, server) == ["untold"]


def ticking(server: Server) -> Callable[[], float]:
    """Each reading of the clock is later than the one before."""

    def read() -> float:
        server.now += 1.0
        return server.now

    return read


class Crowd:
    """``latecomers`` call for a look while one is under way that does not show a change that comes after them."""

    def __init__(self, latecomers: int) -> None:
        self.server = Server(2)
        self.tracker = Tracker(self.server.whole, self.server.some, 1000.0, ticking(self.server))
        self.tracker.look(self.server.begin)
        self.asked = 0
        self.found: list[tuple[Entity, ...]] = []
        self._ask = self.server.WaitForUpdatesEx
        self._threads = [Thread(target=self._come) for _ in range(latecomers)]
        self.server.WaitForUpdatesEx = self._answer  # type: ignore[method-assign]
        self.tracker.look(self.server.begin)
        for each in self._threads:
            each.join()

    def _come(self) -> None:
        self.found.append(self.tracker.look(self.server.begin))

    def _answer(self, version: str, options: Any) -> Any:
        self.asked += 1
        if self.asked == 1:
            came = self.server.now + len(self._threads)
            for each in self._threads:
                each.start()
            end = time.monotonic() + 10.0
            while self.server.now < came and time.monotonic() < end:  # until each has read the clock, and waits for us
                time.sleep(0.001)
            self.server.change("vm-0", "changed after they came")
            self.server.pending.clear()  # ours was under way, and does not tell it
        elif self.asked == 2:
            self.server.pending.append(("modify", "vm-0"))
        return self._ask(version, options)


def test_callers_that_wait_for_a_look_share_one_that_begins_after_they_came() -> None:
    crowd = Crowd(latecomers=5)

    assert crowd.asked == 2
    assert [{each.name for each in found if isinstance(each, Vm)} for found in crowd.found] == [
        {"changed after they came", "vm-1"}
    ] * 5


def test_a_look_that_comes_when_nobody_looks_is_not_answered_by_an_older_one() -> None:
    server = Server(1)
    tracker = Tracker(server.whole, server.some, 1000.0, ticking(server))
    tracker.look(server.begin)
    server.change("vm-0", "new")
    assert names(tracker, server) == ["new"]


def test_a_server_whose_updates_left_a_change_out_is_read_whole_from_then_on() -> None:
    server = Server(2)
    tracker = server.tracker()
    tracker.look(server.begin)
    server.mute = True
    server.change("vm-0", "untold")
    server.now = 101.0
    names(tracker, server)
    with capture_logs() as logs:
        names(tracker, server)
    assert [each["objects"] for each in logs if each["event"] == "look.differs"] == [["vm-0"]]
    server.change("vm-1", "untold too")
    assert names(tracker, server) == ["untold", "untold too"]


def test_an_update_that_comes_after_the_whole_look_is_no_reason_for_mistrust() -> None:
    server = Server(2)
    tracker = server.tracker()
    tracker.look(server.begin)
    server.mute = True
    server.change("vm-0", "late")
    server.now = 101.0
    names(tracker, server)
    server.mute = False
    server.change("vm-0", "late")
    with capture_logs() as logs:
        names(tracker, server)
    assert logs == []


def test_after_an_error_nothing_of_before_is_believed() -> None:
    server = Server(2)
    tracker = server.tracker()
    tracker.look(server.begin)
    server.change("vm-0", "new")
    server.away = True
    with pytest.raises(OSError, match="broken"):
        tracker.look(server.begin)
    server.away = False
    assert names(tracker, server) == ["new", "vm-1"]
    assert (server.collectors, server.whole_reads, server.destroyed) == (2, 2, 1)


def test_without_a_time_everything_is_read_in_each_look() -> None:
    server = Server(1)
    tracker = server.tracker(0)
    for _ in range(3):
        assert names(tracker, server) == ["vm-0"]
    assert (server.collectors, server.whole_reads) == (0, 3)


def test_values_of_an_update_are_left_out_and_the_names_stay() -> None:
    body = b"<o><kind>modify</kind><obj>vm-1</obj><changeSet>\n<name>a</name></changeSet><changeSet>b</changeSet></o>"
    assert without_values(body) == b"<o><kind>modify</kind><obj>vm-1</obj></o>"


def test_updates_that_never_end_are_no_endless_wait() -> None:
    """Whoever waits holds up all looks after it."""

    class Stuck(Server):
        def WaitForUpdatesEx(self, version: str, options: Any) -> Any:  # noqa: N802
            return Collector.UpdateSet(version=version, filterSet=[], truncated=bool(options))

    server = Stuck(1)
    with pytest.raises(Doubt, match="do not come to an end"):
        server.tracker().look(server.begin)
