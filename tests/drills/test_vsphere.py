"""
Drills with vCenter between the controllers and the disks: the simulator with our fault layer, and a real lab under it.

With ``REBERTH_ALL_STEPS=1`` the one of the lost host waits two minutes more, for `docker service ps` to say why, and a
snapshot and an empty device list stand in the way, too.
``reberth drill --storage vsphere --fault NAME`` does the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.model import EvidenceKind, Moment
from deploy.drill.faults.hindrance import EmptyDevices, Hindrance, StorageVmotion, VmSnapshot
from deploy.drill.faults.node import StorageAway
from deploy.drill.faults.rotation import PasswordChange, RotationCut
from deploy.drill.faults.vcenter import HostLost, SessionEnd
from deploy.drill.labs.vsphere import VsphereLab, VsphereProvider
from deploy.drill.swarm.cluster import wait_for
from deploy.drill.testbed import Testbed
from tests.drills.rig import drill, quick_settings, standing
from tests.drills.traces import places, seen
from tests.vcsim.server import PASSWORD

pytestmark = pytest.mark.timeout(900)

ALL = os.environ.get("REBERTH_ALL_STEPS") == "1"


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    # Swarm's own: with a short one a busy machine loses healthy nodes too, and their controllers count as failed in the
    # middle of a rotation. The simulator and its bridge make it busier.
    chosen = replace(
        quick_settings("vsphere", 84, tmp_path_factory.mktemp("vsphere")), heartbeat="5s", storage="vsphere"
    )
    with standing(chosen, VsphereProvider()) as made:
        yield made


def test_the_disk_moves_when_the_controllers_sessions_end_at_the_calls_that_move_it(testbed: Testbed) -> None:
    found = drill(testbed, SessionEnd())

    assert found.evidence.kind is EvidenceKind.POWERED_OFF
    assert found.settings["sessions_ended"] == 4


def test_a_changed_password_and_a_rotated_secret_disturb_nothing_and_the_next_failover_works(testbed: Testbed) -> None:
    found = drill(testbed, PasswordChange())

    assert found.evidence.kind is EvidenceKind.POWERED_OFF


def test_a_machine_that_dies_while_the_secret_is_rotated_does_not_bring_the_old_one_back(testbed: Testbed) -> None:
    """Not Swarm's leader: its successor would be replacing the controllers anew, by rules of its own."""
    testbed.place("follower")
    found = drill(testbed, RotationCut())

    assert found.evidence.kind is EvidenceKind.POWERED_OFF


def test_a_lost_host_holds_the_volume_with_an_alarm_until_a_person_vouches_for_its_death(testbed: Testbed) -> None:
    found = drill(testbed, HostLost(errors=ALL))

    assert found.evidence.kind is EvidenceKind.CONFIRMED
    assert Moment.FENCED not in {row.moment for row in found.details.history}


@pytest.mark.parametrize("kind", [StorageVmotion, *([VmSnapshot, EmptyDevices] if ALL else [])])
def test_a_disk_that_vcenter_hides_or_holds_fast_moves_when_that_is_over_and_not_before(
    testbed: Testbed, kind: type[Hindrance]
) -> None:
    found = drill(testbed, kind())

    assert found.evidence.kind is EvidenceKind.POWERED_OFF
    assert found.settings["cleared_seconds"] is not None


def test_a_failover_that_finds_vcenter_away_goes_on_by_itself_when_it_is_back(testbed: Testbed) -> None:
    found = drill(testbed, StorageAway())

    assert found.evidence.kind is EvidenceKind.POWERED_OFF


def test_no_secret_is_in_logs_reports_process_arguments_or_docker_inspect(testbed: Testbed) -> None:
    """The last one: the controllers' password is refused by now, which is when one would be told."""
    cluster, lab = testbed.scenario.cluster, testbed.scenario.lab
    assert isinstance(lab, VsphereLab)
    passwords = [lab.simulator.password_file.read_bytes().strip(), PASSWORD.encode()]
    passwords.append(lab.change_password())
    wait_for(lambda: "" if "password" in " ".join(cluster.unread()) else "no controller says that it is refused", 60)

    everywhere = list(places(testbed))

    assert seen(everywhere, [b"InvalidLogin"]), "the logs that were read do not even tell of the refusal"
    assert seen(everywhere, [*passwords, *testbed.scenario.stacks.secrets.values()]) == []
