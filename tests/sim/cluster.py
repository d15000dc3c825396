"""
The rules of the simulated cluster: every event that may happen next. It forbids nothing but what physics, Docker's and
the drivers' contracts forbid, so that safety rests on the planner alone.

An event is (what, who, state after it). `Broken` says that a law was broken on the way.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.model import FencePolicy, Grant, Policy
from controller.planner.actions import (
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
from controller.planner.rules import Rules
from tests.sim import faults
from tests.sim.change import Broken, heard, set_leader, set_vm, void_below, without, write
from tests.sim.eyes import decisions, see
from tests.sim.faults import Event
from tests.sim.labels import labels
from tests.sim.restores import restores
from tests.sim.state import NOTHING, NOWHERE, VOLUME, Age, Call, Intent, Mount, Note, State, Storage, View, Vm, slot
from tests.sim.storage import begun, judged, land, wake

QUIET = (Wait, Alarm, Refuse, Converged)


class Cluster:
    def __init__(self, storage: Storage, policy: Policy, rules: Rules) -> None:
        self.storage = storage
        self.policy = policy
        self.rules = rules
        self._decisions = decisions(policy, rules)

    def events(self, s: State) -> Iterator[Event]:
        """All that may happen next. Raises Broken from within where a law falls."""
        yield from self.work(s)
        yield from faults.swarm(s)
        yield from faults.faults(s)
        yield from faults.people(s)
        if s.budget.telling or s.budget.stickers:
            yield from labels(self, s)
        if s.budget.forgets:
            yield from faults.forget(s)
        if s.budget.backups or s.backup is not None:
            yield from faults.backup(s)
        if s.budget.restores or s.record.restoring:
            yield from restores(self.storage, s)
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
            if vm.saved:
                yield "wake", i, wake(self.storage, s, i)
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
        if s.rest != NOTHING and not isinstance(action, QUIET) and _touches(s, action):
            raise Broken(f"{type(action).__name__} is done about what a person has paused")
        self._must_not_storm(s, action)
        self._must_not_hurry(s, i, action)
        if not isinstance(action, QUIET):
            yield "decide", i, set_leader(s, i, me._replace(pending=action))

    def _must_not_storm(self, s: State, action: Action) -> None:
        """Nothing is forced while more nodes are down at once than the policy allows, and not seen off."""
        forced = isinstance(action, Fence) or (isinstance(action, Detach) and action.evidence is None)
        lost = [each for each in s.vms if each.down and (each.on or each.hidden)]
        if forced and len(lost) > self.policy.max_down_fraction * len(s.vms):
            raise Broken(f"{action} is done in a storm")

    def _must_not_hurry(self, s: State, i: int, action: Action) -> None:
        """Nothing is forced on a VM that spoke to us after Swarm had called its node down a moment ago."""
        if not isinstance(action, Fence) and not (isinstance(action, Detach) and action.evidence is None):
            return
        vm, view = s.vms[_number(action.vm)], s.leaders[i].views[_number(action.vm)]
        chosen = vm.missed and isinstance(action, Fence) and self.policy.fence is FencePolicy.POWER_OFF
        if not vm.down and vm.known_boot and not chosen:
            raise Broken(f"VM {_number(action.vm)} is forced, which Swarm calls ready")
        heard_of_late = vm.young or (vm.missed and not vm.down)
        if heard_of_late and not vm.cut and view is not None and view.since and view.boot == vm.boot:
            raise Broken(f"VM {_number(action.vm)} is fenced although it spoke since")

    def decide(self, s: State, i: int) -> Action:
        return self._decisions[see(s, i, self.storage)]

    def commit(self, s: State, i: int, action: Action | Note) -> State:
        """One compare-and-set write of the record; a controller whose record was changed meanwhile lost its plan."""
        if isinstance(action, Note):
            return self._noted(s, i, action)
        record = s.record
        match action:
            case Revoke():
                return write(s, i, record._replace(serial=record.serial + 1))
            case DropGrants(grants=grants):
                return self._dropped(s, i, grants)
            case Detach(drops=grants) if grants:
                return self._call(self._dropped(s, i, grants), i, action)
            case GrantMount():
                return _grant(s, i, action, self.storage)
            case NewEpoch():
                return _new_epoch(s, i)
            case DeleteDisk() if not record.disk:
                return self._noted(s, i, Note.DELETED)
            case _:
                return self._call(s, i, action)

    def _dropped(self, s: State, i: int, grants: tuple[Grant, ...]) -> State:
        for each in grants:
            self._must_be_free(s, _number(each.vm), int(each.boot[1:]))
        gone = {int(g.serial) for g in grants}
        return write(s, i, s.record._replace(grants=tuple(g for g in s.record.grants if g[2] not in gone)))

    def _must_be_free(self, s: State, i: int, boot: int) -> None:
        vm = s.vms[i]
        writes = (vm.on or vm.saved) and vm.boot == boot and vm.mount is Mount.YES and not vm.lies
        if writes and (s.disk >> i & 1 or not self.storage.cuts):
            raise Broken(f"the grant on VM {i} is dropped as proven free, but it writes")

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
        taken = begun(self.storage, s, call)
        if taken is None:
            return set_leader(s, i, s.leaders[i]._replace(pending=None))  # no intent is left of it
        s = taken
        place = call.vm if call.op == "attach" and not _seen(s) else s.record.place
        s = write(s, i, s.record._replace(intent=Intent(call.op, call.vm, call.epoch), place=place))
        return s._replace(calls=tuple(sorted((*s.calls, call))))

    def gate(self, s: State, i: int, vm: Vm) -> Iterator[Event]:
        if not vm.on:
            return
        if s.disk >> i & 1 and vm.mount is not Mount.TORN:
            for task, serial, void in _mounts(s, i, vm):
                yield "mount", i, judged(self.storage, _mounted(s, i, vm, task, serial, void))
        for serial in vm.stale:
            yield "spend", i, set_vm(s, i, vm._replace(floor=serial))
        if vm.mount is Mount.TORN:
            yield "clean", i, set_vm(s, i, without(vm, vm.boxes))
        if not vm.cut:
            yield from _talk(s, i, vm)


def _seen(s: State) -> bool:
    """Whether the storage lists the disk somewhere."""
    return bool(s.disk) and not s.mislaid


def _mounts(s: State, i: int, vm: Vm) -> Iterator[tuple[int, int, int]]:
    """
    Which container may be handed a mount under which grant, and up to which serial earlier ones are void then.

    A Mount does not say whose it is: under a grant comes the container that it is for, also when Swarm wants that no
    more, or another one of its slot (where only one task is wanted: of several, the controller asks afresh which they
    are). Only one is counted under a grant, and none beside one that is not known, or of a void grant; whoever runs
    mounts no more.
    """
    taken = {serial for _, serial in vm.boxes}
    if 0 in taken:
        return
    busy = s.started.union(task for task, _ in vm.boxes)
    here = s.tasks if s.claim == i and len(s.tasks) == 1 else ()
    for serial, task, void in vm.offers:
        if serial not in taken and not any(each <= void for each in taken):
            for each in {task, *(t for t in here if slot(t) == slot(task))} - busy:
                yield each, serial, void


def _mounted(s: State, i: int, vm: Vm, task: int, serial: int, void: int) -> State:
    if any(slot(each) == slot(task) for each, _ in vm.boxes) and not vm.lies:
        raise Broken(f"two containers of one slot have it on VM {i}")
    boxes = vm.boxes | {(task, serial)}
    return set_vm(s, i, vm._replace(mount=Mount.YES, boxes=boxes, used=max(vm.used, serial), floor=max(vm.floor, void)))


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


def _grant(s: State, i: int, action: GrantMount, storage: Storage) -> State:
    vm, boot, record = _number(action.vm), int(action.boot[1:]), s.record
    if action.serial <= record.serial:
        raise Broken("the serial does not grow")
    if record.age is not Age.READY:
        raise Broken("a volume is granted that is not ready")
    old = {int(g.serial) for g in action.supersedes}
    kept = tuple(g for g in record.grants if g[2] not in old)
    grant = (vm, boot, int(action.serial), int(action.task[1:]), s.leaders[i].epoch)
    s = write(s, i, record._replace(serial=int(action.serial), grants=(*kept, grant), intent=None, place=vm))
    there = s.vms[vm]
    if (there.on or there.saved) and there.boot == boot:
        offer = (int(action.serial), int(action.task[1:]), void_below(s, vm, boot) if storage.voids else 0)
        s = set_vm(s, vm, there._replace(offers=there.offers | {offer}))
    return s


def _new_epoch(s: State, i: int) -> State:
    me = s.leaders[i]._replace(pending=None)
    if me.epoch != s.epoch:  # compare-and-set on the leadership: a deposed one is refused
        return set_leader(s, i, me)
    return set_leader(s, i, me._replace(epoch=s.epoch + 1))._replace(epoch=s.epoch + 1)


def _talk(s: State, i: int, vm: Vm) -> Iterator[Event]:
    """What reaches this VM, and what is heard from it, while its network works."""
    if vm.mount is Mount.YES:
        for box in vm.boxes:
            if s.claim != i or box[0] not in s.tasks:
                yield "stop", i, set_vm(s, i, without(vm, [box]))
    if vm.floor < s.record.serial and _told(s, i, vm):
        yield "order", i, set_vm(s, i, vm._replace(floor=s.record.serial))
    view = View(vm.boot, vm.mount, vm.serial, vm.users, vm.floor, vm.joined, vm.young or vm.missed)
    if vm.lies and _told(s, i, vm):
        view = View(vm.boot, Mount.NO, s.record.serial, (), s.record.serial, vm.joined)  # it obeyed, it says
    if s.leaders[s.acting].views[i] != view or vm.known_boot != vm.boot:
        yield "sync", i, heard(s, i, view)


def _told(s: State, i: int, vm: Vm) -> bool:
    """The API orders a release when the listed grants are revoked, or when it hears "mounted" without a grant."""
    own = [g for g in s.record.grants if (g[0], g[1]) == (i, vm.boot)]
    revoked = bool(s.record.grants) and all(g[2] < s.record.serial for g in s.record.grants)
    return (bool(own) and revoked) or (not own and vm.mount is not Mount.NO)


def _touches(s: State, action: Action) -> bool:
    """Whether it is about what is paused: the one volume, or a node that has a permission, the disk, or is given it."""
    granted = any(grant[0] == s.rest for grant in s.record.grants)
    given = isinstance(action, Attach | Detach | Fence | GrantMount) and _number(action.vm) == s.rest
    return s.rest == VOLUME or granted or given
