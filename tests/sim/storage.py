"""The storage and hypervisor of the simulated cluster: what a call does when it lands, and the laws that may fall."""

from __future__ import annotations

from tests.sim.change import Broken, set_leader, set_vm, write
from tests.sim.state import Age, Call, Intent, Mount, Note, State, Storage, Vm


def land(storage: Storage, s: State, call: Call) -> State:
    """The storage does or refuses it; the controller that still waits is told."""
    refused = refusal(storage, s, call)
    after = s._replace(calls=tuple(c for c in s.calls if c is not call))
    if refused is None:
        after = _done(storage, after, call)
    if call.waiting < 0 or s.record.intent != Intent(call.op, call.vm, call.epoch):
        return after
    if refused is not None:
        return write(after, call.waiting, after.record._replace(intent=None))
    note = {"create": Note.MADE, "delete": Note.DELETED}.get(call.op)
    return (
        after if note is None else set_leader(after, call.waiting, after.leaders[call.waiting]._replace(pending=note))
    )


def refusal(storage: Storage, s: State, call: Call) -> str | None:
    if call.op in {"power-off", "create"}:
        return None
    ours = call.disk == storage.disk_name(s.record.life)
    if s.mislaid and ours:
        return "no such disk"  # under the name that we know
    if s.astray and ours and storage.refuses_strays:
        return "its VM has it on another file"
    if call.op == "delete":
        there = s.disk if storage.lists_strays or not s.astray else 0
        return "attached" if ours and there and storage.keeps else None
    return (_order_refused if storage.nodes_connect else _move_refused)(storage, s, call, ours=ours)


def _move_refused(storage: Storage, s: State, call: Call, *, ours: bool) -> str | None:
    vm, there = s.vms[call.vm], s.disk if storage.lists_strays or not s.astray else 0
    if storage.epochs and call.epoch < vm.stamp:
        return "an older epoch than the VM's stamp"
    if call.op == "attach":
        taken = storage.exclusive and ours and there & ~(1 << call.vm)
        return "no such disk" if call.disk not in s.made else "attached to another VM" if taken else None
    if vm.saved and storage.tells_saved:
        return "the VM is saved"
    busy = vm.on and vm.mount is Mount.YES and ours and bool(s.disk >> call.vm & 1)
    return "in use" if storage.busy and busy else None


def begun(storage: Storage, s: State, call: Call) -> State | None:
    """
    Before it orders or detaches anything, a controller takes the disk under its epoch, and looks who has it. None: it
    is refused, as a later one holds the disk, or another VM has it.
    """
    if not storage.nodes_connect or call.op not in {"attach", "detach"}:
        return s
    others = call.op == "attach" and call.disk == storage.disk_name(s.record.life) and s.disk & ~(1 << call.vm)
    return None if call.epoch < s.held or others else s._replace(held=call.epoch)


def _order_refused(storage: Storage, s: State, call: Call, *, ours: bool) -> str | None:
    """A detach is the controller's own act; an attach is a gate's, at whatever time the order reaches it."""
    if call.epoch != s.held and (storage.knows_epoch or call.op == "detach"):
        return "the disk is held under another epoch"
    if call.op == "detach":
        return None
    vm = s.vms[call.vm]
    if not vm.on or call.disk not in s.made:
        return "no gate, or no such disk"
    if storage.epochs and call.epoch < vm.stamp:
        return "an older epoch than its gate has met"
    anew = ours and not s.disk >> call.vm & 1
    return "in use there, and not connected" if storage.knows_use and anew and vm.mount is not Mount.NO else None


def _done(storage: Storage, s: State, call: Call) -> State:
    ours = call.disk == storage.disk_name(s.record.life)
    match call.op:
        case "power-off":
            return set_vm(s, call.vm, off(s.vms[call.vm]))
        case "create":
            return s._replace(made=s.made | {call.disk})
        case "delete":
            return _delete(s, call, ours=ours)
        case "attach":
            return _attach(storage, s, call, ours=ours)
        case _:
            return _detach(storage, s, call) if ours else s


def _delete(s: State, call: Call, *, ours: bool) -> State:
    if ours and call.disk in s.made:
        if s.record.age in {Age.CREATING, Age.READY}:
            raise Broken("the disk of a volume that nobody removed is deleted")
        if s.record.grants:
            raise Broken("the disk is deleted while a grant lives")
        if s.disk:
            raise Broken("the disk is deleted while a VM has it")
    return s._replace(made=s.made - {call.disk})


def _attach(storage: Storage, s: State, call: Call, *, ours: bool) -> State:
    vm = s.vms[call.vm]
    s = set_vm(s, call.vm, vm._replace(stamp=max(vm.stamp, call.epoch)))
    if not ours:
        return s
    if s.astray:
        raise Broken(f"VM {call.vm} is given the old file of a disk that was moved")
    if storage.nodes_connect and vm.mount is Mount.TORN:  # what its kernel has still to write gets through
        s = set_vm(s, call.vm, s.vms[call.vm]._replace(mount=Mount.YES))
    elif s.disk & ~(1 << call.vm) and not storage.nodes_connect:
        raise Broken(f"the disk is attached to VM {call.vm} and to another one")
    return judged(storage, s._replace(disk=s.disk | 1 << call.vm))


def _detach(storage: Storage, s: State, call: Call) -> State:
    vm = s.vms[call.vm]
    if not s.disk >> call.vm & 1:
        return s
    if vm.on and vm.mount is Mount.YES:
        _judge_tear(s, call)
        if storage.cuts:
            s = set_vm(s, call.vm, vm._replace(mount=Mount.TORN))
    return s._replace(disk=s.disk & ~(1 << call.vm))


def judged(storage: Storage, s: State) -> State:
    """One writer: VMs that run, have it mounted, and have the disk (or never lost the power to write)."""
    lasting = not storage.cuts
    writers = [i for i, v in enumerate(s.vms) if v.on and v.mount is Mount.YES and (lasting or s.disk >> i & 1)]
    if len(writers) > 1:
        raise Broken(f"VMs {writers} write at once")
    return s


def wake(storage: Storage, s: State, i: int) -> State:
    """A VM that was saved goes on where it was: with the disks that its image knows, whatever was changed meanwhile."""
    vm = s.vms[i]
    s = set_vm(s, i, vm._replace(on=True, saved=False))
    return judged(storage, s._replace(disk=s.disk | 1 << i) if vm.mount is Mount.YES else s)


def _judge_tear(s: State, call: Call) -> None:
    vm = s.vms[call.vm]
    if vm.lies:
        return  # what it loses is its own
    granted = any((g[0], g[1]) == (call.vm, vm.boot) for g in s.record.grants)
    valid = granted and any(g[2] == s.record.serial for g in s.record.grants)
    if valid:
        raise Broken(f"the disk is pulled from VM {call.vm}, which writes and holds a valid grant")
    if call.proven:
        raise Broken(f"the disk is pulled from VM {call.vm} as proven free, but it writes")


def off(vm: Vm) -> Vm:
    return vm._replace(
        on=False,
        saved=False,
        lies=False,
        mount=Mount.NO,
        boxes=frozenset(),
        used=0,
        floor=0,
        offers=frozenset(),
        stale=frozenset(),
        cut=False,
    )
