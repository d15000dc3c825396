"""
Whole failovers on virtual machines whose disks are RBD images of a real Ceph cluster, or whose power is a BMC's.

Each drill begins with the lab as `reberth drill --lab vms` saves it. `REBERTH_RUNS=5` runs each so often.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.drill.cli import check, complete
from deploy.drill.faults.catalogue import make_fault, rounds
from deploy.drill.labs.vms import VmsProvider
from deploy.drill.settings import DrillSettings
from tests.drills.rig import drill, standing

pytestmark = pytest.mark.timeout(2400, func_only=True)
RUNS = int(os.environ.get("REBERTH_RUNS", "1"))
RBD = DrillSettings(lab="vms", storage="rbd")
REDFISH = DrillSettings(lab="vms", power="redfish")
IPMI = DrillSettings(lab="vms", power="ipmi")
ON = {
    "rbd": (RBD, ("power-off", "hang", "cut", "return", "monitor-away", "osd-away")),
    "redfish": (REDFISH, ("power-off", "hang", "bmc-away", "bmc-slow", "bmc-password")),
    "ipmi": (IPMI, ("power-off", "hang", "bmc-away", "bmc-slow", "bmc-password")),
    "rbd and redfish": (replace(RBD, power="redfish"), ("hang", "cut")),
}
DRILLS = [
    pytest.param(replace(settings, fault=fault), id=f"{fault} on {name} {run}")
    for name, (settings, faults) in ON.items()
    for fault in faults
    for run in range(1, RUNS + 1)
]


@pytest.mark.parametrize("chosen", DRILLS)
def test_nothing_is_lost(chosen: DrillSettings, tmp_path: Path) -> None:
    """No acknowledged commit, nothing invented, never two writers, the old machine harmless, and pg_amcheck content."""
    settings = complete(replace(chosen, report=tmp_path, patience=300.0))
    check(settings)
    with standing(settings, VmsProvider()) as testbed:
        for name in rounds(settings):
            drill(testbed, make_fault(name), again=name != settings.fault)
