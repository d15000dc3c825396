"""
The drill on real virtual machines: one loses its power, with the page cache that was not written.

The lab is the one of `reberth drill --lab vms`: whichever is first makes it and keeps it in the cache.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.model import EvidenceKind
from deploy.drill import report
from deploy.drill.cli import USUAL
from deploy.drill.faults import PowerOff
from deploy.drill.ground import DrillSettings
from deploy.drill.vms_site import VmsSite
from tests.drills.rig import standing

pytestmark = pytest.mark.timeout(1200)  # the first time, on a machine with nothing in its cache


def test_a_virtual_machine_that_loses_its_power_loses_its_disk_to_the_next_one(tmp_path: Path) -> None:
    """No acknowledged commit is lost, the table "user" is as it was, and pg_amcheck finds nothing."""
    usual = USUAL["vms"]
    settings = DrillSettings(
        lab="vms", name=usual.name, subnet=usual.subnet, storage=usual.storages[0], report=tmp_path
    )
    with standing(settings, VmsSite()) as stage:
        found = stage.round(PowerOff())
        report.write_json(tmp_path / "report.json", found)
        if found.verdict == "fail":
            stage.collect(tmp_path / "logs")

    assert found.why == (), f"see {tmp_path}"
    assert found.evidence.kind is EvidenceKind.POWERED_OFF
    assert found.commits.lost == 0
    assert found.writers.overlaps == 0
