"""
The drill on real virtual machines: one loses its power, with the page cache that was not written.

The lab is the one of `reberth drill --lab vms`: whichever is first makes it and keeps it in the cache.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.model import EvidenceKind
from deploy.drill.cli import complete
from deploy.drill.faults.node import PowerOff
from deploy.drill.labs.vms import VmsProvider
from deploy.drill.report.files import write_json
from deploy.drill.settings import DrillSettings
from tests.drills.rig import standing

pytestmark = pytest.mark.timeout(1200)  # the first time, on a machine with nothing in its cache


def test_a_virtual_machine_that_loses_its_power_loses_its_disk_to_the_next_one(tmp_path: Path) -> None:
    """No acknowledged commit is lost, the table "user" is as it was, and pg_amcheck finds nothing."""
    with standing(complete(DrillSettings(lab="vms", report=tmp_path)), VmsProvider()) as testbed:
        found = testbed.round(PowerOff())
        write_json(tmp_path / "report.json", found)
        if found.verdict == "fail":
            testbed.collect(tmp_path / "logs")

    assert found.why == (), f"see {tmp_path}"
    assert found.evidence.kind is EvidenceKind.POWERED_OFF
    assert found.commits.lost == 0
    assert found.writers.overlaps == 0
