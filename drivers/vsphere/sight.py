"""
VMs of the swarm that vCenter does not list any more are asked for themselves.

A list says nothing of what its user may not see, nor of a VM that was moved out of the folders that are looked at: it
looks as whole as before. A VM that is gone is forgotten, one that can be read by itself stays in the list, and one that
cannot may hold what it held. In the memory of this process alone: whoever leads next knows only what is listed to him.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from controller.model import VmId
from drivers.shared.faults import CallError, Doubt
from drivers.vsphere.faults import Kind, is_kind
from drivers.vsphere.inventory import FORBIDDEN, UNSEEN, Inventory, Place, Vm, orders, ours, pins, swarms

log = structlog.get_logger()


class Calls(Protocol):
    """It may raise `NotSent`, `Doubt` or `Fault`."""

    async def again(self, vms: Sequence[Vm]) -> Inventory: ...


class Sight:
    """``known``: managed object IDs of VMs that could be read."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._last: dict[str, Vm] = {}  # as they were last read
        self._said: frozenset[str] = frozenset()
        self.known: set[str] = set()

    async def whole(self, now: Inventory, place: Place, nodes: Collection[VmId]) -> Inventory:
        """With those that are not listed any more. Raises CallError where it cannot be told now."""
        listed = {vm.ref for vm in now.vms}
        hosts, more = dict(now.hosts), list[Vm]()
        for vm in [each for ref, each in self._last.items() if ref not in listed]:
            found = await self._asked(vm)
            hosts |= {ref: state for ref, state in found.hosts.items() if ref not in hosts}
            more += found.vms
        vms = (*map(self._as_it_was, now.vms), *more)
        self.known |= {vm.ref for vm in vms if vm.readable}
        self._keep(vms, place, nodes)
        return replace(now, vms=vms, hosts=hosts)

    def saw(self, vm: Vm) -> None:
        """It was changed for a disk of ours: the next list may be without it."""
        if vm.readable:
            self._last[vm.ref] = vm

    async def _asked(self, vm: Vm) -> Inventory:
        try:
            # Without its host: that may be one of which it cannot be read either.
            found = await self._calls.again([replace(vm, host=None)])
        except CallError as error:
            if is_kind(error, Kind.GONE):
                return Inventory()
            # A server leaves out what its user may not see, or says so.
            if not (is_kind(error, Kind.PERMISSION) or isinstance(error, Doubt)):
                raise
            return Inventory((replace(vm, unread=UNSEEN, host=None),))
        forbidden = any(each.unread == FORBIDDEN for each in found.vms)
        return Inventory((replace(vm, unread=UNSEEN, host=None),)) if forbidden else found

    def _as_it_was(self, vm: Vm) -> Vm:
        """Of a VM that the user may not read any more it is known what was noted on it."""
        last = self._last.get(vm.ref)
        if vm.unread != FORBIDDEN or last is None:
            return vm
        return replace(last, unread=FORBIDDEN, host=None)

    def _keep(self, vms: Sequence[Vm], place: Place, nodes: Collection[VmId]) -> None:
        unread = {vm.ref: self._last[vm.ref] for vm in vms if not vm.readable and vm.ref in self._last}
        self._last = {vm.ref: vm for vm in vms if vm.readable and _matters(vm, place, nodes)} | unread
        unseen = frozenset(vm.name for vm in vms if vm.unread in {UNSEEN, FORBIDDEN})
        for name in sorted(unseen - self._said):
            log.warning("vm.unseen", vm=name, why="the user may not read it: what it may hold is held")
        self._said = unseen


def _matters(vm: Vm, place: Place, nodes: Collection[VmId]) -> bool:
    """Whether it may have, or get, a disk of ours: one that left the swarm, and has none, may go wherever it likes."""
    return swarms(vm, nodes) and bool(orders(vm.uuid) & set(nodes) or pins(vm) or ours(vm, place))
