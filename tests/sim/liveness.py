"""
Once faults stop: is every claimed volume mounted by its claim in the end, or held for a reason that is true?

What is broken stays broken (a VM that is off stays off, one that is cut off stays so); nothing new breaks, and
everybody who can do something does it in turn. Calls in doubt land late in one run and are lost in the other.
"""

from __future__ import annotations

from controller.model import FencePolicy
from controller.planner.actions import Alarm, Converged, Refuse
from tests.sim.change import heard, make_anew, next_task, set_leader, set_vm, unheard
from tests.sim.cluster import QUIET, Cluster
from tests.sim.faults import running
from tests.sim.labels import left_behind, told
from tests.sim.restores import exchanged
from tests.sim.state import NOTHING, Age, Mount, State, slot
from tests.sim.storage import land, wake

STEPS = 80  # no chain of ours is half as long; more means that it goes round in circles


Walked = dict[State, int]  # by which walk; a state is hashed once a step


class Liveness:
    """Asked of each state that the search finds; remembers which states were seen to end well."""

    def __init__(self) -> None:
        self._walks = 0
        self._well: Walked = {}
        self._well_in_doubt: dict[bool, Walked] = {True: {}, False: {}}

    def __call__(self, cluster: Cluster, state: State) -> str | None:
        for late in (True, False) if _in_doubt(state) else (True,):
            wrong = self._follow(cluster, state, late)
            if wrong is not None:
                return wrong
        return None

    def _follow(self, cluster: Cluster, state: State, late: bool) -> str | None:
        """What is remembered is true only if nothing is wrong; else the search ends with it."""
        self._walks += 1
        for _ in range(STEPS):
            well = self._well_in_doubt[late] if _in_doubt(state) else self._well
            known = len(well)
            if well.setdefault(state, self._walks) != self._walks:
                break  # an earlier walk came by here
            if len(well) == known:
                return f"it never comes to rest, but goes round in circles: {state}"
            after = step(cluster, state, late)
            if after is None:
                wrong = judge(cluster, state)
                if wrong is not None:
                    return wrong
                break
            state = after
        else:
            return f"it never comes to rest: {state}"
        return None


def _in_doubt(s: State) -> bool:
    """Whether it matters if calls in doubt land late or are lost. No new ones come once faults have stopped."""
    return any(call.waiting < 0 for call in s.calls)


def step(cluster: Cluster, s: State, late: bool) -> State | None:
    """The one next thing that happens in a world without new faults; None when all is quiet."""
    if s.mislaid or s.paused or s.blind or s.rest != NOTHING:
        return s._replace(mislaid=False, paused=False, blind=False, rest=NOTHING)
    for i, vm in enumerate(s.vms):
        if vm.saved:
            return wake(cluster.storage, s, i)
    if (restored := exchanged(cluster.storage, s)) is not None:
        return restored
    for move in (_swarm, _controller, _gates):
        if s.calls and move is _controller:
            call = s.calls[0]
            lost = call.waiting < 0 and not late
            return s._replace(calls=s.calls[1:]) if lost else land(cluster.storage, s, call)
        after = move(cluster, s)
        if after is not None:
            return after
    return None


def _swarm(_: Cluster, s: State) -> State | None:
    for i, vm in enumerate(s.vms):
        gone = not vm.on or vm.cut
        if vm.down != gone or vm.young or (vm.missed and not vm.cut):
            return set_vm(s, i, vm._replace(down=gone, young=False, missed=vm.missed and vm.cut))
        if unheard(s, i):
            return heard(s, i, None)
    ready = [i for i, vm in enumerate(s.vms) if not vm.down and not vm.drained and i not in s.labels]
    lost = s.claim >= 0 and s.vms[s.claim].down
    if lost and ready:
        return s._replace(claim=ready[0], tasks=(next_task(s),), task=s.task + 1)
    if not lost and (ended := _ended(s)):
        tasks = tuple(next_task(s, slot(each)) if each == ended[0] else each for each in s.tasks)
        return s._replace(tasks=tasks, task=s.task + 1)
    if s.claim >= 0 and s.record.age is Age.GONE:
        return make_anew(s)
    if s.claim >= 0 and running(s) != s.started:
        return s._replace(started=running(s))
    return None


def _ended(s: State) -> list[int]:
    """Tasks that ran, and whose containers have ended: Swarm puts a new one in the slot of each."""
    here = {task for task, _ in s.vms[s.claim].boxes} if s.claim >= 0 else set()
    return [task for task in s.tasks if task in s.started and task not in here]


def _controller(cluster: Cluster, s: State) -> State | None:
    me = s.leaders[s.acting]
    if me.pending is not None:
        return cluster.commit(s, s.acting, me.pending)
    for _, _, after in told(cluster, s, s.acting):
        return after
    action = cluster.decide(s, s.acting)
    return None if isinstance(action, QUIET) else set_leader(s, s.acting, me._replace(pending=action))


def _gates(cluster: Cluster, s: State) -> State | None:
    """A gate mounts only what its container still wants; everything else that it can do, it does."""
    for i, vm in enumerate(s.vms):
        for what, _, after in cluster.gate(s, i, vm):
            if what != "mount" or _wanted(s, i, after):
                return after
    return None


def _wanted(s: State, i: int, after: State) -> bool:
    """A container that nobody wants any more is ended by its agent before it has what it waits for."""
    return s.claim == i and all(task in s.tasks for task, _ in after.vms[i].boxes - s.vms[i].boxes)


def judge(cluster: Cluster, s: State) -> str | None:
    """All is quiet: is the claim served, or a removed volume gone, or is there a true reason why not?"""
    if (left := left_behind(s)) is not None and s.budget.telling:
        return left
    removed = s.record.age is Age.DELETING
    if (stays := _left_on_drained(s)) is not None:
        return stays
    if not removed and (s.claim < 0 or s.vms[s.claim].down):
        return None
    action = cluster.decide(s, s.acting)
    if isinstance(action, Alarm) and _held_truly(cluster, s):
        return None
    if removed:
        if s.claim >= 0 and isinstance(action, Refuse):
            return None  # its user is told that it was removed
        return f"all is quiet, but the removed volume is never gone: {action}"
    if isinstance(action, Converged) and _served(s):
        return None
    return f"all is quiet, but the task on node {s.claim} waits for ever: {action}"


def _left_on_drained(s: State) -> str | None:
    """A disk that nobody wants leaves a node that takes no tasks, wherever its gate can still be asked."""
    there = [i for i, vm in enumerate(s.vms) if s.disk >> i & 1 and vm.drained and not vm.down]
    if s.claim >= 0 or not there or s.disk.bit_count() > 1:
        return None
    return f"all is quiet, but the disk that nobody wants stays on the drained node {there[0]}"


def _held_truly(cluster: Cluster, s: State) -> bool:
    """
    A disk on another file, power unknown and nobody confirmed anything, two VMs, or a policy that forces nothing: held
    for any time.
    """
    if s.astray:
        return True  # until a person copies it back
    hold = cluster.policy.fence is FencePolicy.HOLD
    lost = [v for v in s.vms if v.down and (v.on or v.hidden)]
    if len(lost) > cluster.policy.max_down_fraction * len(s.vms):
        return True
    return s.disk.bit_count() > 1 or any(v.down and (v.hidden or (hold and v.on)) for v in s.vms)


def _served(s: State) -> bool:
    vm = s.vms[s.claim]
    has = {task for task, _ in vm.boxes}
    return vm.mount is Mount.YES and s.disk == 1 << s.claim and has.issuperset(s.tasks)
