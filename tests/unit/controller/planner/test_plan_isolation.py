"""One volume that cannot be decided holds itself alone, and a person is told of it."""

from __future__ import annotations

from dataclasses import replace

from controller.model import DiskId, Phase, VolumeKey, VolumeName
from controller.planner.actions import Alarm, Converged, CreateDisk
from controller.planner.context import VolumeContext
from controller.planner.placement import Placement
from controller.planner.plan import INTERNAL, LONGEST, UNREADABLE, Decision, plan
from controller.planner.rules import RULES
from tests.support.worlds import POLICY, V, record, world

W = VolumeName("web")
NEW = record(phase=Phase.CREATING, disk=None, formatted=False)
BOTH = replace(world(volume=NEW), volumes={V: NEW, W: replace(NEW, name=W, key=VolumeKey("web"))})


def decisions(found: tuple[Decision, ...]) -> dict[VolumeName, tuple[Placement | None, object]]:
    return {each.volume: (each.placement, each.action) for each in found}


def test_a_record_that_cannot_be_read_is_an_alarm_of_its_volume_and_the_next_one_is_decided() -> None:
    found = decisions(plan(replace(BOTH, unreadable={VolumeKey("data"): "it is no JSON"}), POLICY))

    assert found == {
        V: (None, Alarm(V, "Volume data: it is no JSON", UNREADABLE)),
        W: (Placement.NO_DISK, CreateDisk(W)),
    }


def test_a_bug_that_one_volume_meets_is_its_alarm_with_the_fault_and_the_next_one_is_decided() -> None:
    bug = ZeroDivisionError("x" * LONGEST)

    def holder(ctx: VolumeContext) -> None:
        if ctx.name == V:
            raise bug

    web = replace(record(), name=W, key=VolumeKey("web"), disk=DiskId("disk-web"))

    first, second = plan(replace(world(), volumes={V: record(), W: web}), POLICY, replace(RULES, holder=holder))

    told = f"Volume data: internal error while it was decided (ZeroDivisionError: {bug})"[:LONGEST]
    assert (first.volume, first.placement, first.action, first.fault) == (V, None, Alarm(V, told, INTERNAL), bug)
    assert len(told) == LONGEST
    assert (second.volume, second.fault) == (W, None)
    assert isinstance(second.action, Converged)
