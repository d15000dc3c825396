"""
Drills of the label that tells Swarm of a dead node: it comes with the power-off, long before Swarm notices, goes with
the node's return, and stays nowhere when those who act change meanwhile. Swarm's heartbeat is its default.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.model import Moment
from deploy.drill.faults.node import PowerOff
from deploy.drill.swarm.cluster import wait_for
from deploy.drill.testbed import Testbed
from tests.drills.rig import drill, quick_settings, standing

pytestmark = pytest.mark.timeout(900)
NOTICED = 8.0  # seconds: Swarm itself needs 9.4 at least to miss a node
BACK = 120.0


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    with standing(replace(quick_settings("labels", 83, tmp_path_factory.mktemp("labels")), heartbeat="5s")) as made:
        yield made


def not_labelled(testbed: Testbed, node: str) -> str:
    return "" if node in testbed.scenario.labelled() else f"{node} bears no label"


def still_labelled(testbed: Testbed) -> str:
    return ", ".join(testbed.scenario.labelled())


def test_the_database_is_back_before_swarm_has_missed_its_node_and_the_label_goes_with_the_nodes_return(
    testbed: Testbed,
) -> None:
    testbed.place("follower")

    found = drill(testbed, PowerOff())  # its end includes that no node bears a label any more

    assert Moment.LABELLED in {row.moment for row in found.details.history}
    assert found.seconds.evidence is not None
    assert found.seconds.node_down is None or found.seconds.evidence < found.seconds.node_down
    assert still_labelled(testbed) == ""


def test_the_label_of_a_dead_node_is_taken_off_by_whoever_leads_when_it_is_back(testbed: Testbed) -> None:
    scenario, cluster = testbed.scenario, testbed.scenario.cluster
    victim = next(m.name for m in scenario.lab.nodes if m.name not in {cluster.leader(), cluster.place().node})
    scenario.lab.power_off(victim)
    cluster.avoid = victim
    wait_for(lambda: not_labelled(testbed, victim), NOTICED)

    scenario.kill_controllers()
    scenario.lab.power_on(victim)
    cluster.avoid = ""

    scenario.ready(BACK)
    wait_for(lambda: still_labelled(testbed), BACK)


def test_no_label_stays_when_swarms_leader_dies_with_the_database_and_comes_back(testbed: Testbed) -> None:
    testbed.place("leader")

    found = drill(testbed, PowerOff())

    assert Moment.LABELLED in {row.moment for row in found.details.history}
    assert still_labelled(testbed) == ""
