"""`reberth drill`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from deploy.drill.catalogue import FAULTS, ON_MACHINES, ONLY_MACHINES, STOPPING, VCENTER, make_fault, needs_trap
from deploy.drill.flow import INTERRUPTED, Drill, Result
from deploy.drill.ground import DrillError, DrillSettings, Interrupted
from deploy.drill.interrupts import undisturbed
from deploy.drill.leaders import LeaderKill
from deploy.drill.progress import Progress
from deploy.drill.report import summarize
from deploy.drill.stage import Site

app = typer.Typer(help="Break something on purpose, watch the recovery, check every acknowledged commit.")

LEADER_EXAMPLE = "leader-kill:before:detach"
FAULT_HELP = (
    f"What to break: {', '.join(sorted(FAULTS))}. {' and '.join(STOPPING)} may name the step: {LEADER_EXAMPLE}. "
    f"With --storage vsphere only: {', '.join(sorted(VCENTER))}."
)


STORAGE_HELP = "Storage of the lab: lab, or vsphere (a simulator of its API); libvirt with --lab vms."


@dataclass(frozen=True, slots=True)
class Usual:
    """What goes with a kind of lab."""

    name: str
    subnet: str
    storages: tuple[str, ...]  # the first one is meant when none is named


USUAL = {
    "namespaces": Usual("drill", "10.78.0.0/24", ("lab", "vsphere")),
    "vms": Usual("vms", "10.91.0.0/24", ("libvirt",)),
}


@app.callback(invoke_without_command=True)
def drill(  # noqa: PLR0913, PLR0917 -- each is an option of the command
    fault: Annotated[str, typer.Option(help=FAULT_HELP)] = "power-off",
    lab: Annotated[
        str, typer.Option(help="Kind of lab: namespaces, or vms (virtual machines on a libvirt of its own).")
    ] = "namespaces",
    storage: Annotated[str, typer.Option(help=STORAGE_HELP)] = "",
    repeat: Annotated[int, typer.Option(min=1, help="Rounds, one after the other on the same lab.")] = 1,
    report: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("drill-report"),
    heartbeat: Annotated[str, typer.Option(help="Swarm's dispatcher heartbeat.")] = "5s",
    delay: Annotated[str, typer.Option(help="The example's restart_policy.delay.")] = "5s",
    target: Annotated[str, typer.Option(help="Node to hit: any, or Swarm's leader, or a follower.")] = "any",
    managers: Annotated[int, typer.Option(min=3, help="Managers in the lab.")] = 3,
    workers: Annotated[int, typer.Option(min=0, help="Workers in the lab.")] = 0,
    all_steps: Annotated[bool, typer.Option("--all-steps", help="leader-kill: one round for each step.")] = False,
    name: Annotated[str, typer.Option(help="Name of the lab; drill, or vms.")] = "",
    subnet: Annotated[str, typer.Option(help="Addresses of the lab; 10.78.0.0/24, or 10.91.0.0/24 of vms.")] = "",
    patience: Annotated[float, typer.Option(help="Seconds from the fault to the next commit.")] = 180.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab up.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report; progress goes to stderr.")] = False,
) -> None:
    usual = USUAL.get(lab, USUAL["namespaces"])
    settings = DrillSettings(
        fault=fault,
        lab=lab,
        name=name or usual.name,
        subnet=subnet or usual.subnet,
        managers=managers,
        workers=workers,
        heartbeat=heartbeat,
        delay=delay,
        storage=storage or usual.storages[0],
        repeat=repeat,
        keep=keep,
        report=report.resolve(),
        patience=patience,
        target=target,
        trap=needs_trap(fault),
        all_steps=all_steps,
    )
    console = Console(stderr=json, highlight=False)
    try:
        check(settings)
        result = _run(_site(settings), settings, Progress(console))
    except DrillError as error:
        console.print(f"{error}", style="red", markup=False)
        raise typer.Exit(2) from None
    if json and result.reports:
        _print(result)
    raise typer.Exit(result.code)


def check(settings: DrillSettings) -> None:
    """Raises DrillError that names the option and what it may be."""
    choices = {
        "--fault": (settings.fault.partition(":")[0], sorted(FAULTS)),
        "--lab": (settings.lab, sorted(USUAL)),
        "--storage": (settings.storage, USUAL.get(settings.lab, USUAL["namespaces"]).storages),
        "--target": (settings.target, ["any", "leader", "follower"]),
    }
    for option, (value, known) in choices.items():
        if value not in known:
            raise DrillError(f"{option} is {value!r}; choose one of {', '.join(known)}")
    _check_kind(settings)
    if settings.all_steps and settings.fault != LeaderKill.name:
        raise DrillError(f"--all-steps goes with --fault {LeaderKill.name}")
    if settings.fault in VCENTER and settings.storage != "vsphere":
        raise DrillError(f"--fault {settings.fault} goes with --storage vsphere")
    if settings.trap and settings.storage == "vsphere":
        raise DrillError(f"--fault {settings.fault} goes with --storage lab: nobody stands before the simulator")
    make_fault(settings.fault)


def _check_kind(settings: DrillSettings) -> None:
    fault = settings.fault.partition(":")[0]
    if settings.lab == "vms":
        if fault not in ON_MACHINES:
            raise DrillError(f"--lab vms has these faults: {', '.join(ON_MACHINES)}")
        if settings.workers:
            raise DrillError("--lab vms has no workers")
    elif fault in ONLY_MACHINES:
        raise DrillError(f"--fault {fault} needs virtual machines: --lab vms")


def _site(settings: DrillSettings) -> Site:
    """Chosen here, loaded late: the lab needs packages that a controller does not have."""
    from deploy.drill.site import NamespacesSite  # noqa: PLC0415
    from deploy.drill.vms_site import VmsSite  # noqa: PLC0415
    from deploy.drill.vsphere_site import VsphereSite  # noqa: PLC0415

    sites: dict[str, Callable[[], Site]] = {"lab": NamespacesSite, "vsphere": VsphereSite, "libvirt": VmsSite}
    return sites[settings.storage]()


def _run(site: Site, settings: DrillSettings, progress: Progress) -> Result:
    try:
        return Drill(site, settings, progress).run()
    except Interrupted:  # it fell between the drill's last step and its clean-up
        with undisturbed():
            site.down(settings)
        return Result(INTERRUPTED, [])


def _print(result: Result) -> None:
    shown = result.reports[0] if len(result.reports) == 1 else summarize(result.reports)
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(shown), indent=2) + b"\n")
    sys.stdout.flush()
