"""
A wide simulated cluster: many VMs and volumes that share gates, stamps and slots. Mutable, walked at random.

The same physics as cluster.py, on the real records of the model. The search is exhaustive in small worlds; this one
looks at what only many volumes can show: shared stamps, full VMs, storms, plans with many kinds of steps at once.
"""

from __future__ import annotations

from dataclasses import replace

from controller.model import (
    Attachment,
    BootId,
    Capabilities,
    Claim,
    ClaimTask,
    DiskId,
    Epoch,
    GateView,
    GateVolume,
    Grant,
    Intent,
    MountState,
    Node,
    NodeState,
    Operation,
    Phase,
    Policy,
    Power,
    Serial,
    Spec,
    TaskId,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.planner.actions import (
    Action,
    Attach,
    CreateDisk,
    Detach,
    DropGrants,
    Fence,
    GrantMount,
    NewEpoch,
    Revoke,
)
from controller.planner.context import index_world
from controller.planner.invariants import violations
from controller.planner.plan import Decision
from controller.planner.rules import Rules
from tests.sim.beside import Beside
from tests.sim.cluster import QUIET
from tests.sim.wide_machines import Call, Controller, Machine


class Wide:
    def __init__(self, machines: int, volumes: int, slots: int, cuts: bool, rules: Rules) -> None:
        self.rules = rules
        self.machines = {m.vm: m for m in map(Machine, range(machines))}
        self.cuts = cuts
        caps = Capabilities("wide", cuts, True, True, slots, shared=True, batch=True)
        self.policy = Policy(grace=0.0, capabilities=caps)
        self.planner = Beside()
        self.planned: dict[VolumeName, Decision] = {}
        names = [VolumeName(f"v{i}") for i in range(volumes)]
        self.records = {
            n: VolumeRecord(n, VolumeKey(n), Spec(1 << 30), f"uuid-{n}", version=1) for n in names
        }  # fmt: skip
        self.on: dict[VolumeName, VmId] = {}
        self.claims: dict[VolumeName, tuple[Machine, int]] = {}
        self.epoch = Epoch(1)
        self.acting, self.old = Controller(self.epoch), Controller(Epoch(0))
        self.calls: list[Call] = []
        self.tasks = 0

    # what a controller sees and decides

    def world(self, who: Controller) -> World:
        machines = self.machines.values()
        stamped = ((DiskId(v), vm, Epoch(self.machines[vm].stamp)) for v, vm in self.on.items())
        return World(
            epoch=who.epoch,
            nodes={m.node: self._node(m) for m in machines},
            claims={v: self._claim(v) for v in self.claims},
            volumes=dict(self.records),
            attachments=tuple(Attachment(disk, vm, epoch=epoch) for disk, vm, epoch in stamped),
            power={m.vm: Power.UNKNOWN if m.hidden else Power.ON if m.on else Power.OFF for m in machines},
            gates=dict(who.heard),
        )

    def _node(self, m: Machine) -> Node:
        state = NodeState.DOWN if m.down else NodeState.READY
        boot = BootId(f"b{m.known_boot}")
        return Node(m.node, f"host{m.number}", state, vm=m.vm, boot=boot, down_for=60.0 if m.down else None)

    def _claim(self, volume: VolumeName) -> Claim:
        machine, task = self.claims[volume]
        return Claim(volume, machine.node, (ClaimTask(TaskId(f"t{task}"), "svc", machine.node),))

    def decide(self, who: Controller) -> None:
        world = self.world(who)
        assert violations(world) == ()
        made = self.planner(index_world(world, self.policy, self.rules), self.planned)
        assert self.planner.differences == []
        self.planned, actions = {each.volume: each for each in made}, [each.action for each in made]
        assert [a.volume for a in actions] == sorted({*self.records, *self.claims})
        who.pending = [(a, self.records[a.volume].version) for a in actions if not isinstance(a, QUIET)]

    # carrying it out

    def write(self, who: Controller, index: int) -> None:
        """One decision becomes one compare-and-set write; a call leaves after it."""
        action, version = who.pending.pop(index % len(who.pending))
        record = self.records[action.volume]
        if isinstance(action, NewEpoch):
            if who is self.acting:
                who.epoch = self.epoch = Epoch(self.epoch + 1)
            return
        if record.version != version or any(c.volume == record.name and c.controller is who for c in self.calls):
            return
        self._apply(who, record, action)

    def _apply(self, who: Controller, record: VolumeRecord, action: Action) -> None:
        match action:
            case CreateDisk():
                assert record.disk is None, "a disk is made anew"
                self._put(replace(record, disk=DiskId(record.name), phase=Phase.READY))
            case Revoke():
                self._put(replace(record, serial=Serial(record.serial + 1)))
            case DropGrants(grants=grants):
                self._drop(record, grants)
            case GrantMount():
                self._grant(who, record, action)
            case Attach(vm=vm):
                self._send(who, record, Operation.ATTACH, vm, proven=True)
            case Detach(vm=vm, evidence=evidence, drops=grants):
                record = self._drop(record, grants) if grants else record
                self._send(who, record, Operation.DETACH, vm, proven=evidence is not None)
            case Fence(vm=vm):
                self._send(who, record, Operation.POWER_OFF, vm, proven=False)
            case _:
                raise AssertionError(action)

    def _drop(self, record: VolumeRecord, grants: tuple[Grant, ...]) -> VolumeRecord:
        self._put(replace(record, grants=tuple(g for g in record.grants if g not in grants)))
        return self.records[record.name]

    def _put(self, record: VolumeRecord) -> None:
        before = self.records[record.name]
        assert record.serial >= before.serial
        self.records[record.name] = replace(record, version=before.version + 1)

    def _grant(self, who: Controller, record: VolumeRecord, a: GrantMount) -> None:
        assert a.serial > record.serial
        grant = Grant(a.task, a.node, a.vm, a.boot, who.epoch, a.serial)
        kept = tuple(g for g in record.grants if g not in a.supersedes)
        self._put(replace(record, serial=a.serial, grants=(*kept, grant), intent=None, place=a.vm))
        machine = self.machines[a.vm]
        if machine.on and a.boot == f"b{machine.boot}":
            machine.offers[record.name] = (a.serial, int(a.task[1:]))

    def _send(self, who: Controller, record: VolumeRecord, operation: Operation, vm: VmId, *, proven: bool) -> None:
        brought = operation is Operation.ATTACH and record.name not in self.on
        place = vm if brought else record.place
        self._put(replace(record, intent=Intent(operation, who.epoch, vm), place=place))
        self.calls.append(Call(operation, record.name, vm, who.epoch, proven, who))

    # the storage

    def land(self, index: int) -> None:
        call = self.calls.pop(index % len(self.calls))
        machine, where = self.machines[call.vm], self.on.get(call.volume)
        if call.operation is Operation.POWER_OFF:
            machine.power_off()
            return
        busy = where == call.vm and machine.on and call.volume in machine.mounted
        taken = call.operation is Operation.ATTACH and where not in {None, call.vm}
        if call.epoch < machine.stamp or taken or (busy and not self.cuts and call.operation is Operation.DETACH):
            record = self.records[call.volume]
            if call.controller is not None and record.intent == Intent(call.operation, call.epoch, call.vm):
                self._put(replace(record, intent=None))
        elif call.operation is Operation.ATTACH:
            machine.stamp = call.epoch
            self.on[call.volume] = call.vm
        elif where == call.vm:
            self._detach(call, machine, busy)

    def _detach(self, call: Call, machine: Machine, busy: bool) -> None:
        record = self.records[call.volume]
        if busy:
            valid = not record.revoked and any(
                (g.vm, g.boot) == (call.vm, f"b{machine.boot}") for g in record.grants
            )  # fmt: skip
            assert not valid, f"{call.volume} is pulled from {call.vm}, which holds a valid grant"
            assert not call.proven, f"{call.volume} is pulled from {call.vm} as proven free, but it writes"
            machine.unmount(call.volume)
            machine.torn.add(call.volume)
        del self.on[call.volume]

    def doubt(self, index: int) -> None:
        call = self.calls[index % len(self.calls)]
        record, expected = self.records[call.volume], Intent(call.operation, call.epoch, call.vm)
        if call.controller is not None and record.intent == expected:
            self._put(replace(record, intent=replace(expected, in_doubt=True)))
        call.controller = None

    def elect(self) -> None:
        self.epoch = Epoch(self.epoch + 1)
        heard = self.old.heard
        self.acting, self.old = Controller(self.epoch, heard=heard), self.acting

    # the gates

    def sync(self, m: Machine) -> None:
        if not m.on or m.cut:
            return
        self._obey(m)
        m.known_boot = m.boot
        said = {v: self._said(m, v) for v in self.records if v in m.serials or v in m.mounted or v in m.torn}
        self.acting.heard[m.vm] = GateView(m.node, m.vm, BootId(f"b{m.boot}"), 0.0, said)

    def _said(self, m: Machine, volume: VolumeName) -> GateVolume:
        serial, floor = Serial(m.serials.get(volume, 0)), Serial(m.floors.get(volume, 0))
        if volume in m.mounted or volume in m.torn:
            users = (Serial(m.mounted.get(volume, (0, 0))[1]),)
            return GateVolume(volume, MountState.MOUNTED, serial, users=users, floor=floor)
        return GateVolume(volume, MountState.UNMOUNTED, serial, floor=serial)

    def _obey(self, m: Machine) -> None:
        """Containers of old tasks end, torn mounts are cleaned, releases are obeyed, new grants are used."""
        boot = f"b{m.boot}"
        for volume, record in self.records.items():
            where, task = self.claims.get(volume, (None, 0))
            own = any((g.vm, g.boot) == (m.vm, boot) for g in record.grants)
            if volume in m.mounted and (where is not m or m.mounted[volume][0] != task):
                m.unmount(volume)
            m.torn.discard(volume)
            if (own and record.revoked) or (volume in m.mounted and not own):
                m.serials[volume] = max(m.serials.get(volume, 0), record.serial)
                m.floors[volume] = max(m.floors.get(volume, 0), record.serial)

    def mount(self, m: Machine, volume: VolumeName) -> None:
        serial, task = m.offers.pop(volume, (0, 0))
        if not m.on or serial <= m.floors.get(volume, 0) or self.on.get(volume) != m.vm:
            return
        assert volume not in m.mounted, f"two containers have {volume} on {m.vm}"
        m.serials[volume] = serial
        m.mounted[volume] = (task, serial)
        writers = [x.vm for x in self.machines.values() if volume in x.mounted and (x.vm == m.vm or not self.cuts)]
        assert len(writers) == 1, f"{volume} is written by {writers}"

    def notice(self, m: Machine) -> None:
        m.down = not m.on or m.cut

    def claim(self, volume: VolumeName, m: Machine) -> None:
        self.tasks += 1
        self.claims[volume] = (m, self.tasks)
