"""What stands for each rule where a test leaves it out: planner and registry then believe what they like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace

from controller.model import BootId, Evidence, EvidenceKind, Node, Power, VmId
from controller.planner.context import VolumeContext
from controller.planner.evidence import Holder
from controller.planner.rules import RULES, Rules


def imagined(_ctx: VolumeContext, vm: VmId, _boot: BootId) -> Evidence:
    """Proof out of thin air."""
    return Evidence(EvidenceKind.CONFIRMED, vm, "nobody said so", "nobody")


def yes(*_: object) -> bool:
    return True


def no(*_: object) -> bool:
    return False


def missed(_ctx: VolumeContext, node: Node, _held: Holder) -> bool:
    """The detector is believed, whoever spoke since."""
    return node.silent_for is not None


def not_seen_on(power: Power) -> bool:
    return power is not Power.ON


def none(_ctx: VolumeContext) -> tuple[object, ...]:
    return ()


def nobody(_ctx: VolumeContext) -> None:
    return None


CARELESS: Mapping[str, Callable[..., object]] = {
    "evidence": imagined,
    "paused": nobody,
    "superseded": no,
    "obeyed": yes,
    "boot_agreed": yes,
    "seen_off": not_seen_on,
    "confirmed_boot": yes,
    "vm_seen": yes,
    "detach_proves": yes,
    "detach_agreed": yes,
    "back": no,
    "silent": missed,
    "holder": nobody,
    "known_there": yes,
    "deposed": no,
    "stamped": yes,
    "in_doubt": no,
    "stayed": yes,
    "leaving": no,
    "uncertain": no,
    "on_many": no,
    "has_disk": no,
    "on_target": yes,
    "outdated": none,
    "strangers": none,
}


def believed(*_: object) -> None:
    """For a rule of the registry (reconciler/nodes/binding.py, elsewhere.py): each node is the VM that it names."""


NAMES = tuple(each.name for each in fields(Rules))


def without(name: str) -> Rules:
    """All rules but one."""
    return replace(RULES, **{name: CARELESS[name]})  # type: ignore[arg-type]
