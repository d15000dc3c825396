"""How one part of a simulated state is changed, with what follows from it at once."""

from __future__ import annotations

from collections.abc import Iterable

from controller.planner.actions import NewEpoch
from tests.sim.state import SLOTS, Age, Leader, Mount, Record, State, View, Vm


class Broken(Exception):
    """A law was broken by this event."""


def set_vm(s: State, i: int, vm: Vm) -> State:
    """Offers that the gate would refuse by their serial cannot matter any more."""
    if vm.offers and min(vm.offers)[0] <= vm.floor:
        vm = vm._replace(offers=frozenset(o for o in vm.offers if o[0] > vm.floor))
    if vm.stale and min(vm.stale) <= vm.floor:
        vm = vm._replace(stale=frozenset(o for o in vm.stale if o > vm.floor))
    return s._replace(vms=(*s.vms[:i], vm, *s.vms[i + 1 :]))


def without(vm: Vm, boxes: Iterable[tuple[int, int]]) -> Vm:
    """These containers end; the gate unmounts after the last one, and refuses all that was granted before."""
    left = vm.boxes.difference(boxes)
    if left:
        return vm._replace(boxes=left)
    return vm._replace(mount=Mount.NO, boxes=left, used=0, floor=vm.serial)


def next_task(s: State, where: int = 0) -> int:
    """The number of a new task in that slot."""
    return (s.task + 1) * SLOTS + where


def void_below(s: State, i: int, boot: int) -> int:
    """Up to which serial a grant for that boot calls earlier ones void: below the listed ones of wanted tasks."""
    return min((g[2] for g in s.record.grants if g[:2] == (i, boot) and g[3] in s.tasks), default=1) - 1


def set_leader(s: State, i: int, leader: Leader) -> State:
    return s._replace(leaders=(*s.leaders[:i], leader, *s.leaders[i + 1 :]))


def write(s: State, i: int, record: Record) -> State:
    """The record's version grows: what others decided on the old one will be refused, so it is forgotten here."""
    if record.serial < s.record.serial and record.life == s.record.life:
        raise Broken("the serial shrinks")
    leaders = tuple(
        w._replace(pending=None) if j == i or not isinstance(w.pending, NewEpoch) else w
        for j, w in enumerate(s.leaders)
    )
    return s._replace(record=record, leaders=leaders)


def make_anew(s: State) -> State:
    """
    Docker creates the volume again under its name: another record, which knows nothing of the old one.

    Its serials begin at the bottom (the real ones begin at the clock, which may have been set back).
    """
    vms = tuple(
        vm._replace(offers=frozenset(), stale=vm.stale | {o[0] for o in vm.offers}) if vm.offers else vm for vm in s.vms
    )
    return write(s._replace(vms=vms), -1, Record(age=Age.CREATING, life=s.record.life + 1, disk=0))


def heard(s: State, i: int, view: View | None) -> State:
    """The acting controller has a gate's word (None: too old to count). The node's record learns the boot from it."""
    me = s.leaders[s.acting]
    s = set_leader(s, s.acting, me._replace(views=(*me.views[:i], view, *me.views[i + 1 :])))
    return s if view is None else set_vm(s, i, s.vms[i]._replace(known_boot=view.boot))


def unheard(s: State, i: int) -> bool:
    """A gate that cannot speak, whose last word still counts: in time it will be too old."""
    vm = s.vms[i]
    return (vm.cut or not vm.on) and s.leaders[s.acting].views[i] is not None
