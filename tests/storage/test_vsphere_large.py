"""
A failover in a vCenter that serves 3,000 VMs of others with 6,000 disks, in a real lab.

``reberth drill --storage vsphere --strangers 3000`` does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.model import EvidenceKind
from deploy.drill.labs.vsphere import VsphereProvider
from deploy.drill.testbed import Testbed
from tests.drills.rig import drill, quick_settings, standing
from tests.storage.crowd import PowerOffAmongStrangers, lab_of, looks

STRANGERS = 3000
EVERYTHING = 20_000_000  # bytes: less than one look at everything takes

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    chosen = replace(
        quick_settings("crowd", 85, tmp_path_factory.mktemp("crowd")),
        heartbeat="5s",
        delay="5s",
        storage="vsphere",
        strangers=STRANGERS,
    )
    with standing(chosen, VsphereProvider()) as made:
        yield made


@pytest.mark.parametrize("role", ["follower", "leader"])
def test_among_three_thousand_vms_of_others_the_disk_of_a_dead_machine_moves_as_ever(
    testbed: Testbed, role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    testbed.place(role)
    found = drill(testbed, PowerOffAmongStrangers())

    with capsys.disabled():
        print(role, found.seconds, found.commits, found.writers, found.settings)  # noqa: T201
    assert found.evidence.kind is EvidenceKind.POWERED_OFF
    assert found.commits.lost == 0
    if role == "follower":
        assert int(str(found.settings["vcenter_bytes"])) < EVERYTHING


def test_a_look_at_what_has_not_changed_among_them_is_one_request(
    testbed: Testbed, capsys: pytest.CaptureFixture[str]
) -> None:
    first, then = looks(lab_of(testbed.scenario))

    with capsys.disabled():
        print(first, then)  # noqa: T201
    assert first.uuids == 2 * (STRANGERS + 3)  # in both byte orders
    assert first.bytes > EVERYTHING
    assert then.requests == 1
    assert then.bytes < 10_000
