"""
What a user may choose for a drill: each field with a help text is an option of ``reberth drill``.

A choice that depends on another (the lab's name, its addresses, its storage) is made by `deploy.drill.cli.complete`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def option(default: T, text: str, least: float | None = None) -> T:
    """A field that is an option, with the smallest number that it takes."""
    made: T = field(default=default, metadata={"help": text, "min": least})
    return made


@dataclass(frozen=True, slots=True)
class DrillSettings:
    """Durations in seconds unless they are Docker's own texts."""

    fault: str = option("power-off", "What to break.")
    lab: str = option("namespaces", "Kind of lab: namespaces, or vms (virtual machines on a libvirt of its own).")
    storage: str = option("", "Storage of the lab: lab, or vsphere (a simulator of its API); libvirt with --lab vms.")
    strangers: int = option(0, "With --storage vsphere: VMs of others, with two disks each, in the same vCenter.", 0)
    repeat: int = option(1, "Rounds, one after the other on the same lab.", 1)
    report: Path = option(Path("drill-report"), "Folder for the report.")  # noqa: RUF009 -- a path does not change
    heartbeat: str = option("5s", "Swarm's dispatcher heartbeat.")
    delay: str = option("5s", "The example's restart_policy.delay.")
    target: str = option("any", "Node to hit: any, or Swarm's leader, or a follower.")
    managers: int = option(3, "Managers in the lab.", 3)
    workers: int = option(0, "Workers in the lab.", 0)
    detect: str = option("swarm", "Who misses a node: swarm, or gate (also the controller, with fence power-off).")
    grace: float = option(10.0, "Seconds that a node must be missed before it is fenced.", 0)
    all_steps: bool = option(default=False, text="leader-kill: one round for each step.")
    name: str = option("", "Name of the lab; drill, or vms.")
    subnet: str = option("", "Addresses of the lab; 10.78.0.0/24, or 10.91.0.0/24 of vms.")
    patience: float = option(180.0, "Seconds from the fault to the next commit.")  # a dead Swarm leader costs 37-53
    keep: bool = option(default=False, text="Leave the lab up.")
    steady: float = 3.0  # of commits before the fault, and again after the recovery
    proxy: bool = False  # the drill stands between controllers and what they call: see proxy/fault_proxy.py
