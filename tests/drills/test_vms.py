"""
The drill on real virtual machines: one loses its power, with the page cache that was not written.

The lab is the one of `reberth drill --lab vms`, which keeps it in the cache. Where there is none yet, the test does not
save its own: the machines would go on from the file with nothing of their code translated, slower than before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.model import EvidenceKind
from deploy.drill.cli import complete
from deploy.drill.faults.node import PowerOff
from deploy.drill.labs.vms import VmsProvider
from deploy.drill.report.files import write_json
from deploy.drill.settings import DrillSettings
from deploy.drill.testbed import Testbed
from tests.drills.rig import standing

# For the round; each phase of a lab that is made has an end of its own (`VmsProvider.start_seconds` is the longest).
pytestmark = pytest.mark.timeout(1200, func_only=True)


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[Testbed]:
    settings = DrillSettings(lab="vms", report=tmp_path)
    with standing(complete(settings), VmsProvider(saves=False)) as made:
        yield made


def test_a_virtual_machine_that_loses_its_power_loses_its_disk_to_the_next_one(
    testbed: Testbed, tmp_path: Path
) -> None:
    """No acknowledged commit is lost, the table "user" is as it was, and pg_amcheck finds nothing."""
    found = testbed.round(PowerOff())
    write_json(tmp_path / "report.json", found)
    if found.verdict == "fail":
        testbed.collect(tmp_path / "logs")

    assert found.why == (), f"see {tmp_path}"
    assert found.evidence.kind is EvidenceKind.POWERED_OFF
    assert found.commits.lost == 0
    assert found.writers.overlaps == 0
