"""
The rules of the simulated cluster: every event that may happen next. It forbids nothing but what physics, Docker's and
the drivers' contracts forbid, so that safety rests on the planner alone.

An event is (what, who, state after it). `Broken` says that a law was broken on the way.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import (
    Action,
    Alarm,
    Attach,
    Converged,
    CreateDisk,
    DeleteDisk,
    Detach,
    DropGrants,
    Fence,
    GrantMount,
    NewEpoch,
    Refuse,
    Revoke,
    Wait,
)
from controller.case import Rule
from controller.model import Policy
from tests.sim import faults
from tests.sim.change import Broken, heard, set_leader, set_vm, write
from tests.sim.eyes import decide
from tests.sim.faults import Event
from tests.sim.state import NOWHERE, Age, Call, Intent, Mount, Note, State, Storage, View, Vm
from tests.sim.storage import judged, land

QUIET = (Wait, Alarm, Refuse, Converged)


class Cluster:
    def __init__(self, storage: Storage, policy: Policy, rules: frozenset[Rule]) -> None:
        self.storage = storage
        self.policy = policy
        self.rules = rules

    def events(self, s: State) -> Iterator[Event]:
        """All that may happen next. Raises Broken from within where a law falls."""
        yield from self.work(s)
        yield from faults.swarm(s)
        yield from faults.faults(s)
        yield from faults.people(s)
        if s.budget.rejoins:
            yield from faults.rejoin(s)
        if s.budget.hands:
            yield from faults.hands(self.storage, s)

    def work(self, s: State) -> Iterator[Event]:
        """What goes on without any fault: controllers, storage and gates at their work."""
        for i in range(len(s.leaders)):
            yield from self._controller(s, i)
        for call in s.calls:
            yield "land", s.calls.index(call), land(self.storage, s, call)
        for i, vm in enumerate(s.vms):
            yield from self.gate(s, i, vm)

    def _controller(self, s: State, i: int) -> Iterator[Event]:
        me = s.leaders[i]
        if me.epoch == 0 or any(c.waiting == i for c in s.calls):
            return
        if me.pending is not None:
            yield "write", i, self.commit(s, i, me.pending)
            return
        action = self.decide(s, i)
        if isinstance(action, GrantMount) and s.disk & ~(1 << _number(action.vm)):
            raise Broken(f"VM {_number(action.vm)} is granted the volume while another VM has the disk")
        if not isinstance(action, QUIET):
            yield "decide", i, set_leader(s, i, me._replace(pending=action))

    def decide(self, s: State, i: int) -> Action:
        return decide(s, i, self.policy, self.rules, self.storage)

    def commit(self, s: State, i: int, action: Action | Note) -> State:
        """One compare-and-set write of the record; a controller whose record was changed meanwhile lost its plan."""
        if isinstance(action, Note):
            return self._noted(s, i, action)
        record = s.record
        match action:
            case Revoke():
                return write(s, i, record._replace(serial=record.serial + 1))
            case DropGrants(grants=grants):
                gone = {int(g.serial) for g in grants}
                return write(s, i, record._replace(grants=tuple(g for g in record.grants if g[2] not in gone)))
            case GrantMount():
                return _grant(s, i, action)
            case NewEpoch():
                return _new_epoch(s, i)
            case DeleteDisk() if not record.disk:
                return self._noted(s, i, Note.DELETED)
            case _:
                return self._call(s, i, action)

    def _noted(self, s: State, i: int, note: Note) -> State:
        """After Done: the record knows its disk, or is gone itself."""
        record = s.record._replace(intent=None)
        if note is Note.DELETED:
            return write(s, i, record._replace(age=Age.GONE, disk=0))
        age = Age.READY if record.age is Age.CREATING else record.age
        return write(s, i, record._replace(age=age, disk=self.storage.disk_name(record.life)))

    def _call(self, s: State, i: int, action: Action) -> State:
        """The intent is written, then the call leaves: from here on it can land at any time."""
        if isinstance(action, CreateDisk) and s.record.disk:
            raise Broken("a disk is made anew although the volume has one")
        call = _call_of(action, s.leaders[i].epoch, i)._replace(disk=self.storage.disk_name(s.record.life))
        s = write(s, i, s.record._replace(intent=Intent(call.op, call.vm, call.epoch)))
        return s._replace(calls=tuple(sorted((*s.calls, call))))

    def gate(self, s: State, i: int, vm: Vm) -> Iterator[Event]:
        if not vm.on:
            return
        if s.disk >> i & 1:
            for serial in vm.offers:
                mounted = set_vm(s, i, vm._replace(mount=Mount.YES, serial=serial))
                yield "mount", i, judged(self.storage, mounted)
        for serial in vm.stale:
            yield "spend", i, set_vm(s, i, vm._replace(serial=serial))
        if vm.mount is Mount.TORN:
            yield "clean", i, set_vm(s, i, vm._replace(mount=Mount.NO))
        if not vm.cut:
            yield from _talk(s, i, vm)


def _call_of(action: Action, epoch: int, i: int) -> Call:
    match action:
        case Attach(vm=vm):
            return Call("attach", _number(vm), epoch, True, i)
        case Detach(vm=vm, evidence=evidence):
            return Call("detach", _number(vm), epoch, evidence is not None, i)
        case Fence(vm=vm):
            return Call("power-off", _number(vm), epoch, False, i)
        case CreateDisk():
            return Call("create", NOWHERE, epoch, False, i)
        case DeleteDisk():
            return Call("delete", NOWHERE, epoch, False, i)
        case _:
            raise AssertionError(action)


def _number(vm: str) -> int:
    return int(vm.removeprefix("vm"))


def _grant(s: State, i: int, action: GrantMount) -> State:
    vm, boot, record = _number(action.vm), int(action.boot[1:]), s.record
    if action.serial <= record.serial:
        raise Broken("the serial does not grow")
    if record.age is not Age.READY:
        raise Broken("a volume is granted that is not ready")
    old = {int(g.serial) for g in action.supersedes}
    kept = tuple(g for g in record.grants if g[2] not in old)
    grant = (vm, boot, int(action.serial), int(action.task[1:]), s.leaders[i].epoch)
    s = write(s, i, record._replace(serial=int(action.serial), grants=(*kept, grant), intent=None))
    there = s.vms[vm]
    if there.on and there.boot == boot:
        s = set_vm(s, vm, there._replace(offers=there.offers | {int(action.serial)}))
    return s


def _new_epoch(s: State, i: int) -> State:
    me = s.leaders[i]._replace(pending=None)
    if me.epoch != s.epoch:  # compare-and-set on the leadership: a deposed one is refused
        return set_leader(s, i, me)
    return set_leader(s, i, me._replace(epoch=s.epoch + 1))._replace(epoch=s.epoch + 1)


def _talk(s: State, i: int, vm: Vm) -> Iterator[Event]:
    """What reaches this VM, and what is heard from it, while its network works."""
    if vm.mount is Mount.YES and s.claim != i:
        yield "stop", i, set_vm(s, i, vm._replace(mount=Mount.NO))
    if vm.serial < s.record.serial and _told(s, i, vm):
        yield "order", i, set_vm(s, i, vm._replace(serial=s.record.serial))
    view = View(vm.boot, vm.mount, vm.serial, vm.joined)
    if s.leaders[s.acting].views[i] != view or vm.known_boot != vm.boot:
        yield "sync", i, heard(s, i, view)


def _told(s: State, i: int, vm: Vm) -> bool:
    """The API orders a release when the listed grants are revoked, or when it hears "mounted" without a grant."""
    own = [g for g in s.record.grants if (g[0], g[1]) == (i, vm.boot)]
    revoked = bool(s.record.grants) and all(g[2] < s.record.serial for g in s.record.grants)
    return (bool(own) and revoked) or (not own and vm.mount is not Mount.NO)
