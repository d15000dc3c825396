"""
Which VMs may be given a disk or be switched off, where the settings say so. Pure.

A node says itself which VM it is. Whoever owns a node, or a token to join with, may name any VM that the account of the
storage can change: that of somebody else, too. So the settings may bound which ones are touched at all. A disk of ours
may be taken from any VM: that is the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from controller.model import VmId
from drivers.base import Refused
from drivers.shared.settings import SettingsError
from drivers.shared.smbios import orders


def check(patterns: Sequence[str], driver: str) -> None:
    """Raises SettingsError."""
    if not all(each.strip() for each in patterns):
        raise SettingsError(f"{driver} settings: vms has an empty name: remove it, or leave vms out for all VMs")


def foreign(patterns: Sequence[str], vm: VmId, names: Iterable[str]) -> Refused | None:
    """
    Why the VM with this UUID is not to be touched; None: it may be.

    ``names``: under which the hypervisor knows it; one that is not known there has none, and only its UUID counts.
    """
    if not patterns or any(each.lower() in orders(vm) for each in patterns):
        return None
    known = sorted(set(names))
    if known and all(any(fnmatchcase(name, each) for each in patterns) for name in known):
        return None
    called = f"{', '.join(known)} ({vm})" if known else vm
    return Refused(
        f"VM {called} is none of those in `vms` of the settings: it gets no disk and is not switched off",
        cure="If it is a machine of this swarm, name it in `vms`. If not, a node says that it is another's VM: look at "
        "that node first; somebody may own it.",
    )


def told(patterns: Sequence[str], vm: VmId, names: Iterable[str]) -> tuple[str, ...]:
    """The same for people who look at a node."""
    strange = foreign(patterns, vm, names)
    return () if strange is None else (f"{strange.why}. {strange.cure}",)
