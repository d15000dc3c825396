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
from tests.sim.eyes import decide
from tests.sim.state import Call, Intent, Leader, Mount, Record, State, Storage, View, Vm

Event = tuple[str, int, State]
QUIET = (Wait, Alarm, Refuse, Converged)


class Broken(Exception):
    """A law was broken by this event."""


class Cluster:
    def __init__(self, storage: Storage, policy: Policy, rules: frozenset[Rule]) -> None:
        self.storage = storage
        self.policy = policy
        self.rules = rules

    def events(self, s: State) -> Iterator[Event]:
        """All that may happen next. Raises Broken from within where a law falls."""
        yield from self.work(s)
        yield from _swarm(s)
        yield from _faults(s)
        if s.budget.hands:
            yield from self._hands(s)

    def work(self, s: State) -> Iterator[Event]:
        """What goes on without any fault: controllers, storage and gates at their work."""
        for i in range(len(s.leaders)):
            yield from self._controller(s, i)
        for call in s.calls:
            yield "land", s.calls.index(call), self.land(s, call)
        for i, vm in enumerate(s.vms):
            yield from self.gate(s, i, vm)

    def _controller(self, s: State, i: int) -> Iterator[Event]:
        me = s.leaders[i]
        if me.epoch == 0 or any(c.waiting == i for c in s.calls):
            return
        if me.pending is not None:
            yield "write", i, commit(s, i, me.pending)
            return
        action = decide(s, i, self.policy, self.rules, forgets=self.storage.forgets)
        if isinstance(action, GrantMount) and s.disk & ~(1 << _number(action.vm)):
            raise Broken(f"VM {_number(action.vm)} is granted the volume while another VM has the disk")
        if not isinstance(action, QUIET):
            yield "decide", i, set_leader(s, i, me._replace(pending=action))

    def land(self, s: State, call: Call) -> State:
        """The storage does or refuses it; the controller that still waits is told."""
        refused = self.refusal(s, call)
        after = s._replace(calls=tuple(c for c in s.calls if c is not call))
        if refused is None:
            after = self._done(after, call)
        elif call.waiting >= 0 and s.record.intent == Intent(call.op, call.vm, call.epoch):
            after = _write(after, call.waiting, after.record._replace(intent=None))
        return after

    def refusal(self, s: State, call: Call) -> str | None:
        vm = s.vms[call.vm]
        if call.op == "power-off":
            return None
        if self.storage.epochs and call.epoch < vm.stamp:
            return "an older epoch than the VM's stamp"
        if call.op == "attach" and self.storage.exclusive and s.disk & ~(1 << call.vm):
            return "attached to another VM"
        busy = vm.on and vm.mount is Mount.YES and bool(s.disk >> call.vm & 1)
        return "in use" if call.op == "detach" and self.storage.busy and busy else None

    def _done(self, s: State, call: Call) -> State:
        vm = s.vms[call.vm]
        if call.op == "power-off":
            return set_vm(s, call.vm, _off(vm))
        if call.op == "attach":
            s = set_vm(s, call.vm, vm._replace(stamp=max(vm.stamp, call.epoch)))
            if s.disk & ~(1 << call.vm):
                raise Broken(f"the disk is attached to VM {call.vm} and to another one")
            return self.judged(s._replace(disk=s.disk | 1 << call.vm))
        if not s.disk >> call.vm & 1:
            return s
        if vm.on and vm.mount is Mount.YES:
            _judge_tear(s, call)
            if self.storage.cuts:
                s = set_vm(s, call.vm, vm._replace(mount=Mount.TORN))
        return s._replace(disk=s.disk & ~(1 << call.vm))

    def _hands(self, s: State) -> Iterator[Event]:
        """A person works on the storage past Reberth: pulls the disk from a VM, or gives it to one more."""
        s = s._replace(budget=s.budget._replace(hands=s.budget.hands - 1))
        for i, vm in enumerate(s.vms):
            if s.disk >> i & 1:
                torn = self.storage.cuts and vm.mount is Mount.YES
                yield (
                    "pull",
                    i,
                    set_vm(s._replace(disk=s.disk & ~(1 << i)), i, vm._replace(mount=Mount.TORN) if torn else vm),
                )
            else:
                yield "share", i, s._replace(disk=s.disk | 1 << i)

    def gate(self, s: State, i: int, vm: Vm) -> Iterator[Event]:
        if not vm.on:
            return
        if s.disk >> i & 1:
            for serial in vm.offers:
                yield "mount", i, self.judged(set_vm(s, i, vm._replace(mount=Mount.YES, serial=serial)))
        if vm.mount is Mount.TORN:
            yield "clean", i, set_vm(s, i, vm._replace(mount=Mount.NO))
        if not vm.cut:
            yield from _talk(s, i, vm)

    def judged(self, s: State) -> State:
        """One writer: VMs that run, have it mounted, and have the disk (or never lost the power to write)."""
        lasting = not self.storage.cuts
        writers = [i for i, v in enumerate(s.vms) if v.on and v.mount is Mount.YES and (lasting or s.disk >> i & 1)]
        if len(writers) > 1:
            raise Broken(f"VMs {writers} write at once")
        return s


def _judge_tear(s: State, call: Call) -> None:
    vm = s.vms[call.vm]
    granted = any((g[0], g[1]) == (call.vm, vm.boot) for g in s.record.grants)
    valid = granted and any(g[2] == s.record.serial for g in s.record.grants)
    if valid:
        raise Broken(f"the disk is pulled from VM {call.vm}, which writes and holds a valid grant")
    if call.proven:
        raise Broken(f"the disk is pulled from VM {call.vm} as proven free, but it writes")


def commit(s: State, i: int, action: Action) -> State:
    """One compare-and-set write of the record; a controller whose record was changed meanwhile lost its `pending`."""
    record = s.record
    match action:
        case Revoke():
            return _write(s, i, record._replace(serial=record.serial + 1))
        case DropGrants(grants=grants):
            gone = {int(g.serial) for g in grants}
            return _write(s, i, record._replace(grants=tuple(g for g in record.grants if g[2] not in gone)))
        case GrantMount():
            return _grant(s, i, action)
        case NewEpoch():
            return _new_epoch(s, i)
        case CreateDisk():
            raise Broken("a disk is made anew although the volume has one")
        case _:
            return _call(s, i, call_of(action, s.leaders[i].epoch, i))


def call_of(action: Action, epoch: int, i: int) -> Call:
    match action:
        case Attach(vm=vm):
            return Call("attach", _number(vm), epoch, True, i)
        case Detach(vm=vm, evidence=evidence):
            return Call("detach", _number(vm), epoch, evidence is not None, i)
        case Fence(vm=vm):
            return Call("power-off", _number(vm), epoch, False, i)
        case _:
            raise AssertionError(action)


def _number(vm: str) -> int:
    return int(vm.removeprefix("vm"))


def _grant(s: State, i: int, action: GrantMount) -> State:
    vm, boot, record = _number(action.vm), int(action.boot[1:]), s.record
    if action.serial <= record.serial:
        raise Broken("the serial does not grow")
    old = {int(g.serial) for g in action.supersedes}
    kept = tuple(g for g in record.grants if g[2] not in old)
    grant = (vm, boot, int(action.serial), int(action.task[1:]), s.leaders[i].epoch)
    s = _write(s, i, Record(int(action.serial), (*kept, grant), None))
    there = s.vms[vm]
    if there.on and there.boot == boot:
        s = set_vm(s, vm, there._replace(offers=there.offers | {int(action.serial)}))
    return s


def _call(s: State, i: int, call: Call) -> State:
    """The intent is written, then the call leaves: from here on it can land at any time."""
    s = _write(s, i, s.record._replace(intent=Intent(call.op, call.vm, call.epoch)))
    return s._replace(calls=tuple(sorted((*s.calls, call))))


def _write(s: State, i: int, record: Record) -> State:
    """The record's version grows: what others decided on the old one will be refused, so it is forgotten here."""
    if record.serial < s.record.serial:
        raise Broken("the serial shrinks")
    leaders = tuple(
        w._replace(pending=None) if j == i or not isinstance(w.pending, NewEpoch) else w
        for j, w in enumerate(s.leaders)
    )
    return s._replace(record=record, leaders=leaders)


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
    view = View(vm.boot, vm.mount, vm.serial)
    if s.leaders[s.acting].views[i] != view or vm.known_boot != vm.boot:
        yield "sync", i, heard(s, i, view)


def _told(s: State, i: int, vm: Vm) -> bool:
    """The API orders a release when the listed grants are revoked, or when it hears "mounted" without a grant."""
    own = [g for g in s.record.grants if (g[0], g[1]) == (i, vm.boot)]
    revoked = bool(s.record.grants) and all(g[2] < s.record.serial for g in s.record.grants)
    return (bool(own) and revoked) or (not own and vm.mount is not Mount.NO)


def heard(s: State, i: int, view: View | None) -> State:
    """The acting controller has a gate's word (None: too old to count). The node's record learns the boot from it."""
    me = s.leaders[s.acting]
    s = set_leader(s, s.acting, me._replace(views=(*me.views[:i], view, *me.views[i + 1 :])))
    return s if view is None else set_vm(s, i, s.vms[i]._replace(known_boot=view.boot))


def _swarm(s: State) -> Iterator[Event]:
    for i, vm in enumerate(s.vms):
        gone = not vm.on or vm.cut
        if gone != vm.down:
            yield "notice", i, set_vm(s, i, vm._replace(down=gone))
    if s.budget.moves:
        spent = s._replace(budget=s.budget._replace(moves=s.budget.moves - 1), task=s.task + 1)
        for i, vm in enumerate(s.vms):
            if i != s.claim and not vm.down:
                yield "move", i, spent._replace(claim=i)
        if s.claim >= 0:
            yield "remove", s.claim, spent._replace(claim=-1)


def _faults(s: State) -> Iterator[Event]:
    b = s.budget
    if b.elections:
        yield "elect", 1 - s.acting, elect(s)
    if b.doubts:
        for call in s.calls:
            if call.waiting >= 0:
                yield "doubt", call.waiting, _doubt(s, call)
    for call in s.calls:
        if call.waiting < 0:
            yield "vanish", 0, s._replace(calls=tuple(c for c in s.calls if c is not call))
    for i, vm in enumerate(s.vms):
        yield from _vm_faults(s, i, vm)


def _doubt(s: State, call: Call) -> State:
    """No answer in time: the controller notes that in the intent, if it is still its own."""
    calls = tuple(sorted(c if c is not call else c._replace(waiting=-1) for c in s.calls))
    after = s._replace(calls=calls, budget=s.budget._replace(doubts=s.budget.doubts - 1))
    if s.record.intent != Intent(call.op, call.vm, call.epoch):
        return after
    return _write(after, call.waiting, s.record._replace(intent=s.record.intent._replace(in_doubt=True)))


def elect(s: State) -> State:
    """The other controller takes the next epoch; the old one goes on with what it had begun, late."""
    new = 1 - s.acting
    leader = Leader(s.epoch + 1, None, s.leaders[new].views)  # it may still hold what it heard in an earlier turn
    s = set_leader(s, new, leader)._replace(epoch=s.epoch + 1, acting=new)
    calls = tuple(sorted(c._replace(waiting=-1) if c.waiting == new else c for c in s.calls))
    return s._replace(calls=calls, budget=s.budget._replace(elections=s.budget.elections - 1))


def _vm_faults(s: State, i: int, vm: Vm) -> Iterator[Event]:
    yield from _power(s, i, vm)
    yield from _network(s, i, vm)
    b = s.budget
    if not vm.hidden and b.hides:
        yield "hide", i, set_vm(s, i, vm._replace(hidden=True))._replace(budget=b._replace(hides=b.hides - 1))
    if vm.hidden:
        yield "show", i, set_vm(s, i, vm._replace(hidden=False))
    if not vm.on and b.words and (i, vm.boot) not in s.confirmed:
        spent = s._replace(budget=b._replace(words=b.words - 1))
        yield "confirm", i, spent._replace(confirmed=s.confirmed | {(i, vm.boot)})


def _power(s: State, i: int, vm: Vm) -> Iterator[Event]:
    b = s.budget
    if vm.on and b.crashes:
        yield "crash", i, set_vm(s, i, _off(vm))._replace(budget=b._replace(crashes=b.crashes - 1))
    if not vm.on and b.boots:
        yield "boot", i, set_vm(s, i, _up(vm))._replace(budget=b._replace(boots=b.boots - 1))


def _network(s: State, i: int, vm: Vm) -> Iterator[Event]:
    b = s.budget
    if not vm.cut and vm.on and b.cuts:
        yield "cut", i, set_vm(s, i, vm._replace(cut=True))._replace(budget=b._replace(cuts=b.cuts - 1))
    if unheard(s, i):
        yield "fade", i, heard(s, i, None)
    if vm.cut:
        yield "mend", i, set_vm(s, i, vm._replace(cut=False))


def unheard(s: State, i: int) -> bool:
    """A gate that cannot speak, whose last word still counts: in time it will be too old."""
    vm = s.vms[i]
    return (vm.cut or not vm.on) and s.leaders[s.acting].views[i] is not None


def _off(vm: Vm) -> Vm:
    return vm._replace(on=False, mount=Mount.NO, serial=0, offers=frozenset(), cut=False)


def _up(vm: Vm) -> Vm:
    return vm._replace(on=True, boot=vm.boot + 1)


def set_vm(s: State, i: int, vm: Vm) -> State:
    """Offers that the gate would refuse by their serial cannot matter any more."""
    if vm.offers and min(vm.offers) <= vm.serial:
        vm = vm._replace(offers=frozenset(o for o in vm.offers if o > vm.serial))
    return s._replace(vms=(*s.vms[:i], vm, *s.vms[i + 1 :]))


def set_leader(s: State, i: int, leader: Leader) -> State:
    return s._replace(leaders=(*s.leaders[:i], leader, *s.leaders[i + 1 :]))
