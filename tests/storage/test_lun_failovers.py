"""
Whole failovers of a swarm of virtual machines whose volumes are LUNs of a real iSCSI target: a machine hangs and goes
on, the array is started anew and forgets, under a database that commits.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.model import EvidenceKind
from deploy.drill.cli import complete
from deploy.drill.faults.vm import Hang
from deploy.drill.report import data
from deploy.drill.settings import DrillSettings
from deploy.drill.testbed import Testbed
from tests.drills.rig import drill, standing
from tests.lio.faults import ArrayForgets, ArrayRestart
from tests.lio.swarm import LunProvider

# For one round; each phase of a lab that is made has an end of its own.
pytestmark = pytest.mark.timeout(1200, func_only=True)


@pytest.fixture(scope="module")
def provider() -> LunProvider:
    return LunProvider()


@pytest.fixture(scope="module")
def testbed(provider: LunProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    chosen = DrillSettings(
        lab="vms", storage="lun", name="luns", subnet="10.92.0.0/24", report=tmp_path_factory.mktemp("luns")
    )
    with standing(complete(chosen), provider) as made:
        yield made


def nothing_lost(found: data.Report) -> None:
    assert found.commits.lost == 0
    assert found.writers.overlaps == 0


def test_a_machine_that_hangs_is_refused_by_the_lun_when_it_goes_on(testbed: Testbed) -> None:
    """Its key was preempted: its PostgreSQL meets errors, and nothing of what it writes is on the LUN."""
    found = drill(testbed, Hang())
    nothing_lost(found)
    assert found.evidence.kind is EvidenceKind.DETACHED


def test_an_array_that_keeps_its_registrations_over_a_restart_disturbs_nobody(
    testbed: Testbed, provider: LunProvider
) -> None:
    nothing_lost(drill(testbed, ArrayRestart(provider.array)))


def test_an_array_that_forgets_its_registrations_costs_a_start_of_the_container(
    testbed: Testbed, provider: LunProvider
) -> None:
    """And no commit: the LUN is taken at once, and whoever has no key of now is refused."""
    nothing_lost(drill(testbed, ArrayForgets(provider.array)))
