"""When the drills of a failover that vCenter stands in the way of let it go on, and what they find wrong: pure."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from controller.model import Moment
from deploy.drill.faults.hindrance import HELD, EmptyDevices, Hindrance, StorageVmotion, VmSnapshot
from deploy.drill.swarm.controller_answers import Explanation, HistoryRow

BEFORE = HistoryRow(Moment.DETACHED, 10.0, text="of an earlier round")
WAITS = Explanation("data", why="Task 5 waits.", history=(BEFORE,))
TOLD = replace(WAITS, setback="... The VM swarm01 has a snapshot")
MOVED = replace(TOLD, history=(BEFORE, HistoryRow(Moment.DETACHED, 30.0, text="taken from swarm01")))


def snapshot() -> VmSnapshot:
    return VmSnapshot(since=10.0)


def test_the_administrator_waits_for_the_reason_and_then_a_while() -> None:
    fault = snapshot()

    assert not fault.over(90.0, WAITS)
    assert not fault.over(91.0, TOLD)
    assert not fault.over(91.0 + HELD, TOLD)
    assert fault.over(91.1 + HELD, WAITS), "told once is told"


def test_the_while_begins_when_a_task_elsewhere_waits_for_the_disk() -> None:
    fault = snapshot()

    assert not fault.over(1.0, TOLD, waits=False)
    assert not fault.over(50.0, TOLD, waits=False)
    assert not fault.over(51.0, TOLD)
    assert not fault.over(51.0 + HELD, TOLD)
    assert fault.over(51.1 + HELD, TOLD)


def test_a_disk_that_moves_although_vcenter_holds_it_is_objected_to() -> None:
    fault = snapshot()
    fault.over(1.0, MOVED)

    assert "the disk was taken while vCenter did not show it free: taken from swarm01" in fault.missing()


def test_a_failover_that_nobody_was_told_of_or_that_went_on_by_itself_is_objected_to() -> None:
    fault = snapshot()
    fault.over(1.0, WAITS)

    assert fault.missing() == (
        "nobody was told of it ('has a snapshot'), but: Task 5 waits.",
        "it went on before the administrator acted",
    )
    fault.over(2.0, TOLD)
    fault.cleared = 9.0
    assert fault.missing() == ()


@pytest.mark.parametrize("kind", [VmSnapshot, StorageVmotion, EmptyDevices])
def test_each_hindrance_waits_for_words_of_its_own(kind: type[Hindrance]) -> None:
    others = [each.says for each in (VmSnapshot, StorageVmotion, EmptyDevices) if each is not kind]
    fault = kind()
    fault.over(1.0, replace(WAITS, why=" ".join(others)))
    assert fault.told is None
    fault.over(2.0, replace(WAITS, why=kind.says))
    assert fault.told == 2.0
