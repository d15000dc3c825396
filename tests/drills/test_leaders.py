"""
Drills of those who act. Law 7 (any step may be the last) and what a deposed controller may do, on a real lab.

With ``REBERTH_ALL_STEPS=1`` the acting controller is killed at every step of a failover, and frozen at every call to
the storage; else at one of each, to keep it short. ``reberth drill --fault leader-kill --all-steps`` does the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.model import Moment
from deploy.drill.faults.leader import LeaderFreeze, LeaderKill, LeaderLost
from deploy.drill.faults.node import ControllerKill, PowerOff
from deploy.drill.proxy.call_meaning import STOP_POINTS, Step, StopPoint, When
from deploy.drill.testbed import Testbed
from tests.drills.rig import drill, quick_settings, standing

pytestmark = pytest.mark.timeout(900)

ALL = os.environ.get("REBERTH_ALL_STEPS") == "1"
KILLS = STOP_POINTS if ALL else (StopPoint(When.AFTER, Step.DETACH),)
LATE_DETACH, LATE_ATTACH = StopPoint(When.BEFORE, Step.DETACH), StopPoint(When.BEFORE, Step.ATTACH)
FREEZES = (LATE_DETACH, LATE_ATTACH, None) if ALL else (LATE_ATTACH,)  # None: between two calls


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    chosen = quick_settings("leaders", 81, tmp_path_factory.mktemp("leaders"))
    # Frozen and killed controllers should be all that is wrong: with 1 s a busy machine loses healthy nodes too.
    chosen = replace(chosen, proxy=True, heartbeat="2s")
    with standing(chosen) as made:
        yield made


def test_nothing_happens_to_postgresql_when_swarms_leader_dies_elsewhere(testbed: Testbed) -> None:
    testbed.place("follower")

    found = drill(testbed, LeaderLost())

    assert {row.moment for row in found.details.history}.isdisjoint({Moment.DETACHED, Moment.FENCED, Moment.REVOKED})
    assert found.settings["leader_change_seconds"] is not None


@pytest.mark.parametrize("stop_point", KILLS, ids=str)
def test_the_failover_is_finished_when_the_acting_controller_is_killed_at_a_step(
    testbed: Testbed, stop_point: StopPoint
) -> None:
    testbed.place("follower")

    found = drill(testbed, LeaderKill(stop_point=stop_point))

    assert found.settings["stopped_at"] == str(stop_point)


@pytest.mark.parametrize("stop_point", FREEZES, ids=str)
def test_what_a_controller_tries_that_hung_through_a_failover_is_refused(
    testbed: Testbed, stop_point: StopPoint | None
) -> None:
    testbed.place("follower")

    found = drill(testbed, LeaderFreeze(stop_point=stop_point))

    assert stop_point is None or "refused" in str(found.settings["late_answer"])


def test_the_disk_moves_when_swarms_leader_dies_with_postgresql_and_all_controllers_are_killed(
    testbed: Testbed,
) -> None:
    """What the other managers say of their dead controllers goes to the dead leader first, and must not get lost."""
    testbed.place("leader")
    fault = ControllerKill(moment=0.0)

    found = drill(testbed, fault)

    assert fault.killed_at is not None
    assert found.settings["swarm_leader_hit"] is True


def test_the_disk_moves_when_swarms_leader_dies_with_postgresql_on_it(testbed: Testbed) -> None:
    testbed.place("leader")

    found = drill(testbed, PowerOff())

    assert found.settings["swarm_leader_hit"] is True
