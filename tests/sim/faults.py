"""What disturbs a simulated cluster: Swarm that changes its mind, faults of every kind, and people."""

from __future__ import annotations

from collections.abc import Iterator

from tests.sim.change import heard, make_anew, next_task, set_leader, set_vm, unheard, void_below, without, write
from tests.sim.state import NOTHING, VOLUME, Age, Budget, Call, Intent, Leader, Mount, State, Storage, View, Vm, slot
from tests.sim.storage import off

Event = tuple[str, int, State]


def swarm(s: State) -> Iterator[Event]:
    """Swarm's word about its nodes, and where it wants the tasks."""
    yield from _opinions(s)
    yield from _drains(s)
    if s.budget.moves:
        spent = s._replace(budget=s.budget._replace(moves=s.budget.moves - 1), task=s.task + 1)
        for i, vm in enumerate(s.vms):
            if i != s.claim and not vm.down and not vm.drained:
                yield "move", i, spent._replace(claim=i, tasks=(next_task(s),))
        if s.claim >= 0:
            yield "remove", s.claim, spent._replace(claim=-1, tasks=())
    if s.claim >= 0:
        yield from _sharing(s)
        yield from _running(s)


def _opinions(s: State) -> Iterator[Event]:
    for i, vm in enumerate(s.vms):
        gone = not vm.on or vm.cut
        if gone != vm.down:
            yield "notice", i, _noticed(s, i, gone)
        yield from _misses(s, i, vm)
        if vm.young:
            yield "age", i, set_vm(s, i, vm._replace(young=False))


def _drains(s: State) -> Iterator[Event]:
    """Swarm wants nothing on a drained node any more: its tasks go elsewhere, or nowhere."""
    for i, vm in enumerate(s.vms):
        if vm.drained:
            yield "undrain", i, set_vm(s, i, vm._replace(drained=False))
        elif s.budget.drains:
            spent = s._replace(budget=s.budget._replace(drains=s.budget.drains - 1))
            after = set_vm(spent, i, vm._replace(drained=True))
            yield "drain", i, after._replace(claim=-1, tasks=()) if s.claim == i else after
            others = [n for n, each in enumerate(s.vms) if n != i and not each.down and not each.drained]
            if s.claim == i and others:
                yield "drain", i, after._replace(claim=others[0], tasks=(next_task(s),), task=s.task + 1)


def _misses(s: State, i: int, vm: Vm) -> Iterator[Event]:
    """Our own detector may say of any node at any time that it is silent, or that it is not."""
    if vm.missed:
        yield "hear", i, set_vm(s, i, vm._replace(missed=False))
    elif s.budget.misses:
        spent = s._replace(budget=s.budget._replace(misses=s.budget.misses - 1))
        yield "miss", i, set_vm(_spoke_before(spent, i), i, vm._replace(missed=True))


def _noticed(s: State, i: int, gone: bool) -> State:
    """What was heard before is no sign that the node lives after it."""
    if not s.budget.lags:
        return set_vm(s, i, s.vms[i]._replace(down=gone))
    s = _spoke_before(s, i)
    return set_vm(s, i, s.vms[i]._replace(down=gone, young=gone))


def _spoke_before(s: State, i: int) -> State:
    for each, leader in enumerate(s.leaders):
        view = leader.views[i]
        if view is not None and view.since:
            views = (*leader.views[:i], view._replace(since=False), *leader.views[i + 1 :])
            s = set_leader(s, each, leader._replace(views=views))
    return s


def forget(s: State) -> Iterator[Event]:
    """
    A gate starts again, and its state is lost: what was on its way to it is, too. The mount table is the kernel's.

    It is told again of the grants that are listed; whose mounts it has, it does not know any more.
    """
    spent = s._replace(budget=s.budget._replace(forgets=s.budget.forgets - 1))
    for i, vm in enumerate(s.vms):
        if not vm.on:
            continue
        valid = any(g[2] == s.record.serial for g in s.record.grants)
        home = [g for g in s.record.grants if valid and g[:2] == (i, vm.boot) and g[3] in s.tasks]
        listed = {(g[2], g[3], void_below(s, i, vm.boot)) for g in home}
        boxes = frozenset((task, 0) for task, _ in vm.boxes)
        yield "forget", i, set_vm(spent, i, vm._replace(boxes=boxes, floor=0, offers=frozenset(listed)))


def rejoin(s: State) -> Iterator[Event]:
    """Its tasks are nobody's any more; its containers go on until Docker has ended them."""
    spent = s._replace(budget=s.budget._replace(rejoins=s.budget.rejoins - 1))
    for i, vm in enumerate(s.vms):
        if vm.on and not vm.cut:
            left = set_vm(spent, i, vm._replace(joined=vm.joined + 1, known_boot=0))
            yield "rejoin", i, left._replace(claim=-1, tasks=()) if s.claim == i else left


def backup(s: State) -> Iterator[Event]:
    """
    A backup of Swarm is made while nobody has a permission, and Swarm is restored from it: what was written since is
    lost, nobody remembers what the gates said, and no message of before is on its way any more.

    Only of a volume that was moved since: one that was idle then, and was used in its place, looks the same.
    """
    if s.budget.backups and not s.record.grants and s.record.intent is None:
        spent = s._replace(budget=s.budget._replace(backups=s.budget.backups - 1))
        yield "back up", 0, spent._replace(backup=(s.record, s.claim, s.tasks))
    if s.backup is None or s.record.life != s.backup[0].life or s.record.place == s.backup[0].place:
        return
    record, claim, tasks = s.backup
    vms = tuple(vm._replace(offers=frozenset()) for vm in s.vms)
    nobody: tuple[View | None, ...] = (None,) * len(vms)
    leaders = tuple(Leader(s.epoch + 1 if i == s.acting else 0, None, nobody) for i in range(len(s.leaders)))
    yield (
        "restore",
        0,
        s._replace(
            record=record, claim=claim, tasks=tasks, vms=vms, leaders=leaders, epoch=s.epoch + 1, calls=(), backup=None
        ),
    )


def _sharing(s: State) -> Iterator[Event]:
    """Several tasks on the claim's node: one joins, one leaves; all containers there end and begin again."""
    b, vm = s.budget, s.vms[s.claim]
    again = next_task(s, slot(s.tasks[0]))  # takes the place of the newest
    if b.joins and not vm.down:
        new = next_task(s, len(s.tasks))
        joined = s._replace(tasks=(new, *s.tasks), task=s.task + 1, budget=b._replace(joins=b.joins - 1))
        yield "join", s.claim, joined
    if b.replaces and not vm.down:
        spent = s._replace(task=s.task + 1, budget=b._replace(replaces=b.replaces - 1))
        yield "replace", s.claim, spent._replace(tasks=(again, *s.tasks[1:]))
    if len(s.tasks) > 1:
        for task in s.tasks:
            yield "leave", s.claim, s._replace(tasks=tuple(t for t in s.tasks if t != task))
    if b.restarts and vm.on and vm.mount is Mount.YES and not over(s):
        ended = set_vm(s, s.claim, without(vm, vm.boxes))._replace(budget=b._replace(restarts=b.restarts - 1))
        yield "again", s.claim, ended
        if not vm.cut:
            yield "restart", s.claim, ended._replace(tasks=(again, *s.tasks[1:]), task=s.task + 1)


def _running(s: State) -> Iterator[Event]:
    """Swarm hears of tasks that they run; then their containers end, and Docker mounts for those tasks no more."""
    b, vm = s.budget, s.vms[s.claim]
    if not vm.on or vm.mount is not Mount.YES:
        return
    if b.runs and (heard_of := running(s)) != s.started:
        yield "run", s.claim, s._replace(started=heard_of, budget=b._replace(runs=b.runs - 1))
    if over(s):
        mine = [box for box in vm.boxes if box[0] in s.tasks]
        if mine:
            yield "end", s.claim, set_vm(s, s.claim, without(vm, mine))


def running(s: State) -> frozenset[int]:
    """The tasks that Swarm has heard of as running, and those that it can hear of now."""
    vm = s.vms[s.claim]
    return s.started if vm.cut else s.started | {task for task, _ in vm.boxes if task in s.tasks}


def over(s: State) -> bool:
    """Whether each of the claim's tasks has had all its mounts."""
    return bool(s.tasks) and s.started.issuperset(s.tasks)


def people(s: State) -> Iterator[Event]:
    """The volume is removed, which is refused while somebody wants it, and made anew."""
    b, age = s.budget, s.record.age
    if b.removals and s.claim < 0 and age in {Age.CREATING, Age.READY}:
        spent = s._replace(budget=b._replace(removals=b.removals - 1))
        yield "rm", 0, write(spent, -1, s.record._replace(age=Age.DELETING))
    if b.makes and age is Age.GONE:
        yield "make", 0, make_anew(s._replace(budget=b._replace(makes=b.makes - 1)))


def hands(storage: Storage, s: State) -> Iterator[Event]:
    """A person works on the storage past Reberth: pulls the disk from a VM, or gives it to one more."""
    s = s._replace(budget=s.budget._replace(hands=s.budget.hands - 1))
    for i, vm in enumerate(s.vms):
        if s.disk >> i & 1:
            torn = storage.cuts and vm.mount is Mount.YES
            pulled = set_vm(s, i, vm._replace(mount=Mount.TORN)) if torn else s
            yield "pull", i, pulled._replace(disk=s.disk & ~(1 << i))
        else:
            yield "share", i, s._replace(disk=s.disk | 1 << i)


def faults(s: State) -> Iterator[Event]:
    b = s.budget
    yield from _list(s, b)
    yield from _odd(s, b)
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
        yield from _power(s, i, vm, b)
        yield from _network(s, i, vm, b)
        yield from _sight(s, i, vm, b)


def _list(s: State, b: Budget) -> Iterator[Event]:
    """For a while the storage lists the disk nowhere; or nothing at all; or its VM has it on another file."""
    if s.blind or s.mislaid or s.astray:
        seen = s._replace(blind=False, mislaid=False, astray=False)
        yield "sight" if s.blind else "found" if s.mislaid else "return", 0, seen
        return
    if b.blinds:
        yield "blind", 0, s._replace(blind=True, budget=b._replace(blinds=b.blinds - 1))
    if b.strays and s.disk:
        yield "stray", 0, s._replace(astray=True, budget=b._replace(strays=b.strays - 1))
    if b.mislays and s.disk:
        yield "mislay", 0, s._replace(mislaid=True, budget=b._replace(mislays=b.mislays - 1))


def _odd(s: State, b: Budget) -> Iterator[Event]:
    """People who pause everything, and gates that lie."""
    if s.paused:
        yield "resume", 0, s._replace(paused=False)
    elif b.pauses:
        yield "pause", 0, s._replace(paused=True, budget=b._replace(pauses=b.pauses - 1))
    yield from _rests(s, b)
    if b.lies:
        for i, vm in enumerate(s.vms):
            if vm.on and not vm.lies:
                yield "lie", i, set_vm(s, i, vm._replace(lies=True))._replace(budget=b._replace(lies=b.lies - 1))


def _rests(s: State, b: Budget) -> Iterator[Event]:
    """People who pause the volume alone, or a node."""
    if s.rest != NOTHING:
        yield "wake up", s.rest, s._replace(rest=NOTHING)
    elif b.rests:
        for what in (VOLUME, *range(len(s.vms))):
            yield "rest", what, s._replace(rest=what, budget=b._replace(rests=b.rests - 1))


def _doubt(s: State, call: Call) -> State:
    """No answer in time: the controller notes that in the intent, if it is still its own."""
    calls = tuple(sorted(c if c is not call else c._replace(waiting=-1) for c in s.calls))
    after = s._replace(calls=calls, budget=s.budget._replace(doubts=s.budget.doubts - 1))
    if s.record.intent != Intent(call.op, call.vm, call.epoch):
        return after
    return write(after, call.waiting, s.record._replace(intent=s.record.intent._replace(in_doubt=True)))


def elect(s: State) -> State:
    """The other controller takes the next epoch; the old one goes on with what it had begun, late."""
    new = 1 - s.acting
    leader = Leader(s.epoch + 1, None, s.leaders[new].views)  # it may still hold what it heard in an earlier turn
    s = set_leader(s, new, leader)._replace(epoch=s.epoch + 1, acting=new)
    calls = tuple(sorted(c._replace(waiting=-1) if c.waiting == new else c for c in s.calls))
    return s._replace(calls=calls, budget=s.budget._replace(elections=s.budget.elections - 1))


def _power(s: State, i: int, vm: Vm, b: Budget) -> Iterator[Event]:
    if vm.on and b.crashes:
        yield "crash", i, set_vm(s, i, off(vm))._replace(budget=b._replace(crashes=b.crashes - 1))
    if vm.on and b.saves:
        asleep = vm._replace(on=False, saved=True)
        yield "save", i, set_vm(s, i, asleep)._replace(budget=b._replace(saves=b.saves - 1))
    if not vm.on and not vm.saved and b.boots:
        up = vm._replace(on=True, boot=vm.boot + 1)
        yield "boot", i, set_vm(s, i, up)._replace(budget=b._replace(boots=b.boots - 1))


def _network(s: State, i: int, vm: Vm, b: Budget) -> Iterator[Event]:
    if not vm.cut and vm.on and b.cuts:
        yield "cut", i, set_vm(s, i, vm._replace(cut=True))._replace(budget=b._replace(cuts=b.cuts - 1))
    if unheard(s, i):
        yield "fade", i, heard(s, i, None)
    if vm.cut:
        yield "mend", i, set_vm(s, i, vm._replace(cut=False))


def _sight(s: State, i: int, vm: Vm, b: Budget) -> Iterator[Event]:
    if not vm.hidden and b.hides:
        yield "hide", i, set_vm(s, i, vm._replace(hidden=True))._replace(budget=b._replace(hides=b.hides - 1))
    if vm.hidden:
        yield "show", i, set_vm(s, i, vm._replace(hidden=False))
    if not vm.on and not vm.saved and b.words and (i, vm.boot) not in s.confirmed:
        spent = s._replace(budget=b._replace(words=b.words - 1))
        yield "confirm", i, spent._replace(confirmed=s.confirmed | {(i, vm.boot)})
