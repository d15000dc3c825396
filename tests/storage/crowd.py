"""A vCenter with many VMs of others beside the lab's: what a failover costs there, counted by the simulator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.drill.faults.node import PowerOff
from deploy.drill.labs.vsphere import VsphereLab
from deploy.drill.proxy.controller_process import controller_of
from deploy.drill.report.data import Setting
from deploy.drill.swarm.scenario import Scenario
from drivers.vsphere import create
from drivers.vsphere.driver import VsphereDriver


def lab_of(scenario: Scenario) -> VsphereLab:
    assert isinstance(scenario.lab, VsphereLab)
    return scenario.lab


def memory(scenario: Scenario) -> dict[str, tuple[int, int]]:
    """Of each controller: MiB now, and at most since it began."""
    lab = lab_of(scenario)
    pid = controller_of(lab.spec.name)
    found = {node.name: pid(node.name) for node in lab.nodes}
    return {name: (_mib(each, "VmRSS"), _mib(each, "VmHWM")) for name, each in found.items() if each is not None}


def _mib(pid: int, field_name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{field_name}:"))


def traffic(lab: VsphereLab) -> dict[str, tuple[int, int]]:
    """Requests and bytes of answers by address, since this was asked before."""
    lines = [line.split() for line in lab.simulator.fault("traffic").splitlines()]
    return {peer: (int(requests), int(size)) for peer, requests, size in lines}


@dataclass(slots=True)
class PowerOffAmongStrangers(PowerOff):
    """With what the controllers asked of vCenter from the fault until commits went on."""

    asked: dict[str, tuple[int, int]] = field(default_factory=dict)
    held: dict[str, tuple[int, int]] = field(default_factory=dict)

    def act(self, scenario: Scenario, node: str) -> None:
        traffic(lab_of(scenario))
        PowerOff.act(self, scenario, node)

    def recovered(self, scenario: Scenario) -> None:
        lab = lab_of(scenario)
        self.asked = {peer: each for peer, each in traffic(lab).items() if peer != lab.spec.gateway}
        self.held = memory(scenario)

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:
        return {
            "vcenter_requests": sum(requests for requests, _ in self.asked.values()),
            "vcenter_bytes": sum(size for _, size in self.asked.values()),
            "controllers_mib": max((most for _, most in self.held.values()), default=None),
            "controllers": " ".join(f"{name}={now}/{most}" for name, (now, most) in sorted(self.held.items())),
        }


@dataclass(frozen=True, slots=True)
class Look:
    requests: int
    bytes: int
    seconds: float
    cpu: float
    uuids: int  # of VMs


def looks(lab: VsphereLab) -> tuple[Look, Look]:
    """A look at everything and one at what has not changed, by a driver of our own, while the lab goes on."""
    with lab.bridge.pause:
        return asyncio.run(_looks(lab))


async def _looks(lab: VsphereLab) -> tuple[Look, Look]:
    driver = create(lab.simulator.settings())
    assert isinstance(driver, VsphereDriver)
    try:
        return await _look(lab, driver), await _look(lab, driver)
    finally:
        await driver.close()


async def _look(lab: VsphereLab, driver: VsphereDriver) -> Look:
    traffic(lab)
    started, cpu, before = time.monotonic(), time.process_time(), sum(driver.sent.values())
    found = await driver.list_attachments()
    took, spent = time.monotonic() - started, time.process_time() - cpu
    size = traffic(lab).get(lab.spec.gateway, (0, 0))[1]
    return Look(sum(driver.sent.values()) - before, size, round(took, 2), round(spent, 2), len(found.seen))
