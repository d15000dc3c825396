"""
Drills on real virtual machines: one loses its power, with the page cache that was not written; another one hangs.

The lab is the one of `reberth drill --lab vms`, which keeps it in the cache. Where there is none yet, the test does not
save its own: the machines would go on from the file with nothing of their code translated, slower than before it.

It is started once. Power comes from BMCs: first each machine's own, by IPMI, with disks that are files; then one that
has all of them, by Redfish, with disks of a real Ceph cluster. `make drill-storage` has all the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.model import EvidenceKind
from deploy.drill.cli import complete
from deploy.drill.faults.node import PowerOff
from deploy.drill.faults.vm import Hang
from deploy.drill.labs.vms import VmsProvider
from deploy.drill.report import data
from deploy.drill.settings import DrillSettings
from deploy.drill.testbed import Testbed
from tests.drills.rig import drill, standing

# For the round; each phase of a lab that is made has an end of its own (`VmsProvider.start_seconds` is the longest).
pytestmark = pytest.mark.timeout(1200, func_only=True)


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    settings = DrillSettings(lab="vms", power="ipmi", report=tmp_path_factory.mktemp("vms"))
    with standing(complete(settings), VmsProvider(saves=False)) as made:
        yield made


def test_a_virtual_machine_that_loses_its_power_loses_its_disk_to_the_next_one(testbed: Testbed) -> None:
    """No acknowledged commit is lost, the table "user" is as it was, and pg_amcheck finds nothing."""
    judged(drill(testbed, PowerOff()))


def test_a_virtual_machine_that_hangs_is_switched_off_and_its_image_of_ceph_goes_to_the_next_one(
    testbed: Testbed,
) -> None:
    """The same holds; the machine is off afterwards."""
    testbed.arrange(complete(replace(testbed.settings, storage="rbd", power="redfish")))
    judged(drill(testbed, Hang(), again=False))


def judged(found: data.Report) -> None:
    assert found.evidence.kind is EvidenceKind.POWERED_OFF
    assert found.commits.lost == 0
    assert found.writers.overlaps == 0
