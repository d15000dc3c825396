"""
Which member of a datastore cluster a new disk is made on: the one with the most room that all hosts in question reach.

Pure. A disk on a member that one host does not reach could not follow its task there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_NOT_MOUNTED = "has not mounted"


@dataclass(frozen=True, slots=True)
class Member:
    """``hosts``: of each host (managed object ID) that has it in its list, what is wrong with it there, or ""."""

    name: str
    accessible: bool = True
    maintenance: str = "normal"
    free_bytes: int | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)


def choose(members: Sequence[Member], hosts: Mapping[str, str], need_bytes: int = 0, before: str = "") -> Member | str:
    """
    ``hosts``: those of the swarm's VMs, each with the name of a VM on it; of none, all that any member knows count.
    ``before``: the member that was chosen for this disk by a call of which nobody knows the end.
    Else why no member will do.
    """
    wanted = hosts or {ref: "" for each in members for ref in each.hosts}
    why = {each.name: _against(each, wanted, need_bytes) for each in members}
    fit = [each for each in members if not why[each.name]]
    if not fit:
        return "; ".join(f"{name} {reason}" for name, reason in why.items())
    return min(fit, key=lambda each: (each.name != before, -(each.free_bytes or 0), each.name))


def _against(member: Member, hosts: Mapping[str, str], need_bytes: int) -> str:
    if not member.accessible:
        return "cannot be reached"
    if member.maintenance != "normal":
        return "is in maintenance mode"
    for ref, vm in sorted(hosts.items()):
        if wrong := member.hosts.get(ref, _NOT_MOUNTED):
            return f"will not do: {f'the host of {vm}' if vm else f'the host {ref}'} {wrong} it"
    if member.free_bytes is not None and member.free_bytes < need_bytes:
        return f"has {member.free_bytes >> 10} KiB left, and {need_bytes >> 10} are needed"
    return ""
