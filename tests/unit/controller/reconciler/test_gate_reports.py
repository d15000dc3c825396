"""What a gate is told to let go."""

from __future__ import annotations

import pytest

from controller.model import (
    BootId,
    Epoch,
    Grant,
    NodeId,
    Serial,
    Spec,
    TaskId,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
)
from controller.protocol.messages import Orders, Release, Sync, VolumeReport
from controller.reconciler.gate_reports import GateReports, orders
from controller.reconciler.wakeups import Broadcast

A, DATA = VmId("vm-a"), VolumeName("data")


def grant(serial: int, boot: str = "1", vm: VmId = A) -> Grant:
    return Grant(TaskId("t"), NodeId("a"), vm, BootId(boot), Epoch(1), Serial(serial))


def record(serial: int, *grants: Grant) -> VolumeRecord:
    return VolumeRecord(DATA, VolumeKey("data"), Spec(1), "uuid", serial=Serial(serial), grants=grants)


def told(report: VolumeReport | None, found: VolumeRecord | None) -> Orders:
    gates = GateReports(lambda: 0.0, Broadcast())
    gates.hear(NodeId("a"), Sync("vm-a", "1", "test", (report,) if report else ()))
    heard = gates.newest(A)
    assert heard is not None
    return orders(A, heard, {} if found is None else {DATA: found})


@pytest.mark.parametrize(
    ("report", "found", "serial"),
    [
        pytest.param(VolumeReport("data", "mounted", 3), record(3, grant(3)), None, id="a valid grant is left alone"),
        pytest.param(VolumeReport("data", "mounted", 3), record(4, grant(3)), 4, id="a revoked grant is taken back"),
        pytest.param(VolumeReport("data", "unmounted", 3), record(4, grant(3)), 4, id="unmounted is not yet obeyed"),
        pytest.param(VolumeReport("data", "unmounted", 4), record(4, grant(3)), None, id="obeyed is not said again"),
        pytest.param(None, record(4, grant(3)), 4, id="a gate that never heard of the volume refuses it too"),
        pytest.param(None, record(4, grant(3, "0")), None, id="a grant of an earlier boot is not this gate's"),
        pytest.param(None, record(4, grant(3, vm=VmId("b"))), None, id="another VM's grant is not this gate's"),
        pytest.param(VolumeReport("data", "mounted", 3), None, 3, id="what no record allows is let go"),
        pytest.param(VolumeReport("data", "mounted", 3), record(5), 5, id="what no grant allows is let go"),
        pytest.param(VolumeReport("data", "mounting", 3), record(5), 5, id="a Mount may use no older grant"),
        pytest.param(VolumeReport("data", "mounting", 5), record(5), None, id="a Mount that waits is left alone"),
        pytest.param(VolumeReport("data", "unmounted", 3), record(5), None, id="what is unmounted needs no order"),
    ],
)
def test_orders(report: VolumeReport | None, found: VolumeRecord | None, serial: int | None) -> None:
    """A gate lets go what no valid grant allows, and is told so until it has."""
    expected = () if serial is None else (Release("data", serial),)
    assert told(report, found) == Orders(expected)


def test_a_word_of_an_earlier_boot_does_not_undo_a_later_one() -> None:
    gates = GateReports(lambda: 0.0, Broadcast())
    assert gates.hear(NodeId("a"), Sync("vm-a", "1", "test")) == 1
    assert gates.hear(NodeId("a"), Sync("vm-a", "2", "test")) == 2
    assert gates.hear(NodeId("a"), Sync("vm-a", "1", "test")) is None
    assert gates.views()[A].boot == "2"


def test_the_same_report_again_is_no_news() -> None:
    gates = GateReports(lambda: 0.0, Broadcast())
    sync = Sync("vm-a", "1", "test", (VolumeReport("data", "mounted", 3),))
    assert gates.changes(sync)
    gates.hear(NodeId("a"), sync)
    assert not gates.changes(sync)
    assert gates.changes(Sync("vm-a", "1", "test", (VolumeReport("data", "unmounted", 3),)))
    gates.forget()
    assert gates.changes(sync)


class Bell(Broadcast):
    """Counts how often everybody was woken."""

    rung = 0

    def fire(self) -> None:
        self.rung += 1
        super().fire()


def test_a_gate_that_says_the_same_again_wakes_nobody() -> None:
    """A thousand gates speak every 20 s, and each has a poll waiting."""
    bell = Bell()
    gates = GateReports(lambda: 0.0, bell)
    same = Sync("vm-a", "1", "test", (VolumeReport("data", "mounted", 3),))

    for said in (same, same, Sync("vm-a", "1", "test"), Sync("vm-a", "2", "test")):
        gates.hear(NodeId("a"), said)

    assert bell.rung == 3


def test_a_boot_that_a_node_ended_counts_as_ended_while_that_node_is_in_the_swarm() -> None:
    """A copy that named this VM for a moment does not silence the machine for ever."""
    gates = GateReports(lambda: 0.0, Broadcast())
    gates.hear(NodeId("a"), Sync("vm-a", "1", "test", ()))
    gates.hear(NodeId("copy"), Sync("vm-a", "2", "test", ()))
    gates.only_of(A, {NodeId("a"), NodeId("copy")})
    assert gates.ended(A, BootId("1"))
    assert gates.hear(NodeId("a"), Sync("vm-a", "1", "test", ())) is None

    gates.only_of(A, {NodeId("a")})
    assert not gates.ended(A, BootId("1"))
    assert gates.hear(NodeId("a"), Sync("vm-a", "1", "test", ())) is not None
    gates.hear(NodeId("a"), Sync("vm-a", "3", "test", ()))
    gates.only_of(A, {NodeId("a")})
    assert gates.ended(A, BootId("1"))
