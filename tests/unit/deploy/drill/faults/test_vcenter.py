"""What the drill of a lost host does in a person's place, and what it finds wrong: pure."""

from __future__ import annotations

from dataclasses import replace

from deploy.drill.faults.vcenter import HELD, NO_EVIDENCE, Do, HostLost
from deploy.drill.swarm.controller_answers import Explanation

CALM = Explanation("data", state="waiting")
ALARM = Explanation("data", state="ALARM", cure="`reberth confirm-dead swarm01 --reason ...`")
REFUSED = Explanation("data", state="working", setback="remove it or the VM from the inventory")
COLUMN = f"task x is rejected (volume data may be mounted. {NO_EVIDENCE}.)"


def test_a_person_waits_for_the_alarm_then_for_the_column_and_then_a_while() -> None:
    fault = HostLost()

    assert [fault.seen(1.0, CALM, ""), fault.seen(2.0, ALARM, ""), fault.seen(50.0, ALARM, "")] == [Do.NOTHING] * 3
    assert fault.seen(97.0, ALARM, COLUMN) is Do.NOTHING
    assert fault.seen(98.0, ALARM, COLUMN) is Do.CONFIRM
    assert (fault.alarm, fault.shown) == (2.0, 97.0)


def test_nothing_is_confirmed_before_the_alarm_has_held_for_a_while() -> None:
    fault = HostLost(errors=False)
    fault.seen(2.0, ALARM, "")

    assert fault.seen(2.0 + HELD, ALARM, "") is Do.NOTHING
    assert fault.seen(2.1 + HELD, ALARM, "") is Do.CONFIRM


def test_a_vm_leaves_the_inventory_only_when_the_controller_asked_for_it() -> None:
    fault = HostLost(errors=False, alarm=2.0, told=ALARM, confirmed=13.0)

    assert fault.seen(14.0, CALM, "") is Do.NOTHING
    assert fault.seen(15.0, REFUSED, "") is Do.FORGET


def test_a_recovery_without_alarm_words_or_a_person_is_objected_to() -> None:
    good = HostLost(alarm=2.0, told=ALARM, shown=97.0, confirmed=98.0, forgotten=99.0)

    assert good.missing() == ()
    assert "nobody was alarmed" in replace(good, alarm=None).missing()
    assert replace(good, told=CALM).missing() == ("the alarm does not name `reberth confirm-dead`",)
    assert replace(good, shown=None).missing() == ("`docker service ps` did not show why the task waits",)
    assert replace(good, shown=None, errors=False).missing() == ()
    assert replace(good, confirmed=None).missing() == ("it went on without a person's word",)
    assert replace(good, forgotten=None).missing() == ("the disk left a machine that vCenter could not reach",)
