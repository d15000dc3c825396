"""`reberth drill`: its options are the fields of `DrillSettings`."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from inspect import Parameter, Signature
from typing import Annotated, get_type_hints

import msgspec
import typer
from rich.console import Console

from controller.model import Detect
from deploy.drill.errors import DrillError, Interrupted
from deploy.drill.faults.catalogue import FAULTS, kind, make_fault
from deploy.drill.faults.leader import LeaderKill
from deploy.drill.interrupts import undisturbed
from deploy.drill.progress import Progress
from deploy.drill.report.data import summarize
from deploy.drill.runner import INTERRUPTED, Drill, Result
from deploy.drill.settings import DrillSettings
from deploy.drill.testbed import LabProvider

app = typer.Typer(help="Break something on purpose, watch the recovery, check every acknowledged commit.")


def _names(storage: str | None) -> str:
    return ", ".join(sorted(name for name, fault in FAULTS.items() if fault.storage == storage))


FAULT_HELP = (
    f"What to break: {_names(None)}. "
    f"{' and '.join(name for name, fault in FAULTS.items() if fault.stops_at_steps)} may name the step: "
    f"leader-kill:before:detach. With --storage vsphere only: {_names('vsphere')}."
)

TEXTS = {"fault": FAULT_HELP}


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


def _option(each: Field[object], kinds: Mapping[str, object], text: str) -> Parameter:
    flags = [f"--{each.name.replace('_', '-')}"] if kinds[each.name] is bool else []
    chosen = typer.Option(*flags, help=text, min=each.metadata["min"])
    annotation = operator.getitem(Annotated, (kinds[each.name], chosen))
    return Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=annotation)


def options(settings: type = DrillSettings, texts: Mapping[str, str] = TEXTS) -> list[Parameter]:
    """One for each field of the settings that has a help text."""
    kinds = get_type_hints(settings)
    found = [each for each in fields(settings) if each.metadata and each.default is not MISSING]
    return [_option(each, kinds, texts.get(each.name, str(each.metadata["help"]))) for each in found]


def drill(*, json: bool, **chosen: object) -> None:
    """Break something on purpose, watch the recovery, check every acknowledged commit."""
    settings = complete(DrillSettings(**chosen))  # type: ignore[arg-type] # as `options` says
    console = Console(stderr=json, highlight=False)
    try:
        check(settings)
        result = _run(_provider(settings), settings, Progress(console))
    except DrillError as error:
        console.print(f"{error}", style="red", markup=False)
        raise typer.Exit(2) from None
    if json and result.reports:
        _print(result)
    raise typer.Exit(result.code)


def _command() -> Callable[..., None]:
    """`drill`, with a signature that typer can read."""
    shown = Annotated[bool, typer.Option("--json", help="Print the report; progress goes to stderr.")]
    parameters = [*options(), Parameter("json", Parameter.KEYWORD_ONLY, default=False, annotation=shown)]
    return readable(drill, parameters)


def readable(act: Callable[..., None], parameters: list[Parameter]) -> Callable[..., None]:
    """The same with a signature that typer can read: it gives each parameter the type of its option."""

    def command(**chosen: object) -> None:
        act(**chosen)

    command.__doc__ = act.__doc__
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


app.callback(invoke_without_command=True)(_command())


def complete(settings: DrillSettings) -> DrillSettings:
    """With what goes with the kind of lab and the fault, where nothing was chosen."""
    usual = USUAL.get(settings.lab, USUAL["namespaces"])
    fault = FAULTS.get(settings.fault.partition(":")[0])
    return replace(
        settings,
        name=settings.name or usual.name,
        subnet=settings.subnet or usual.subnet,
        storage=settings.storage or usual.storages[0],
        report=settings.report.resolve(),
        proxy=settings.proxy or (fault is not None and fault.needs_proxy),
    )


def check(settings: DrillSettings) -> None:
    """Raises DrillError that names the option and what it may be."""
    choices = {
        "--fault": (settings.fault.partition(":")[0], sorted(FAULTS)),
        "--lab": (settings.lab, sorted(USUAL)),
        "--storage": (settings.storage, USUAL.get(settings.lab, USUAL["namespaces"]).storages),
        "--detect": (settings.detect, [each.value for each in Detect]),
        "--target": (settings.target, ["any", "leader", "follower"]),
    }
    for option, (value, known) in choices.items():
        if value not in known:
            raise DrillError(f"{option} is {value!r}; choose one of {', '.join(known)}")
    _check_fault_and_storage(settings)
    if settings.all_steps and settings.fault != LeaderKill.name:
        raise DrillError(f"--all-steps goes with --fault {LeaderKill.name}")
    if settings.detect != Detect.SWARM.value and settings.storage != "lab":
        raise DrillError("--detect gate goes with --storage lab")
    if settings.lab == "vms" and settings.workers:
        raise DrillError("--lab vms has no workers")
    make_fault(settings.fault)


def _check_fault_and_storage(settings: DrillSettings) -> None:
    fault = kind(settings.fault)
    if settings.lab not in fault.labs:
        possible = ", ".join(sorted(name for name, each in FAULTS.items() if settings.lab in each.labs))
        raise DrillError(
            f"--fault {fault.name} needs --lab {' or '.join(fault.labs)}; --lab {settings.lab} has: {possible}"
        )
    if fault.storage not in {None, settings.storage}:
        raise DrillError(f"--fault {fault.name} goes with --storage {fault.storage}")
    if settings.strangers and settings.storage != "vsphere":
        raise DrillError("--strangers goes with --storage vsphere")
    if fault.needs_proxy and settings.storage == "vsphere":
        raise DrillError(f"--fault {fault.name} goes with --storage lab: nobody stands before the simulator")


def _provider(settings: DrillSettings) -> LabProvider:
    """Chosen here, loaded late: the lab needs packages that a controller does not have."""
    from deploy.drill.labs.namespaces import NamespacesProvider  # noqa: PLC0415
    from deploy.drill.labs.vms import VmsProvider  # noqa: PLC0415
    from deploy.drill.labs.vsphere import VsphereProvider  # noqa: PLC0415

    providers: dict[str, Callable[[], LabProvider]] = {
        "lab": NamespacesProvider,
        "vsphere": VsphereProvider,
        "libvirt": VmsProvider,
    }
    return providers[settings.storage]()


def _run(provider: LabProvider, settings: DrillSettings, progress: Progress) -> Result:
    try:
        return Drill(provider, settings, progress).run()
    except Interrupted:  # it fell between the drill's last step and its clean-up
        with undisturbed():
            provider.down(settings)
        return Result(INTERRUPTED, [])


def _print(result: Result) -> None:
    shown = result.reports[0] if len(result.reports) == 1 else summarize(result.reports)
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(shown), indent=2) + b"\n")
    sys.stdout.flush()
