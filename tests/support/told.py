"""Situations that hold a volume, with the parts of what people must be told in each."""

from __future__ import annotations

from dataclasses import replace

from controller.model import (
    AttachmentState,
    BootId,
    Confirmation,
    FencePolicy,
    GateVolume,
    Intent,
    MountState,
    NodeId,
    NodeState,
    Operation,
    Phase,
    Power,
    Serial,
    TaskId,
)
from controller.planner.remedies import NOBODY
from tests.support.planner_rows_silent import MISSED, MISSED_NOW, missed
from tests.support.plans import COPY, ORIGIN, ORIGINAL, RESTORING, SNAPPED
from tests.support.told_everywhere import EVERYWHERE
from tests.support.told_words import REVOKED, Told, held
from tests.support.worlds import (
    EPOCH,
    POLICY,
    V,
    claim,
    gate,
    grant,
    node,
    on,
    record,
    running,
    said_of,
    vm,
    world,
)

DOWN = NodeState.DOWN
LONG = node(1, DOWN, down_for=60.0)
RUNS = {vm(1): Power.ON}
HOLD = replace(POLICY, fence=FencePolicy.HOLD)
STUCK = gate(1, volumes={V: GateVolume(V, MountState.MOUNTED, Serial(1), problem="process 4711 has a file open")})
SICK = gate(1, volumes={V: GateVolume(V, MountState.MOUNTED, Serial(1), problem="the file system is read-only")})


SITUATIONS = {
    "it is to be a copy, and a service uses the source": Told(
        world(volume=COPY, volumes={V: COPY, ORIGIN.name: ORIGIN}, claims={ORIGIN.name: claim(1)}),
        (
            "is to be a copy of volume original, but service db uses it",
            "only while it is attached nowhere",
            "`docker service scale db=0`",
        ),
        ("`docker service scale SERVICE=0`",),
    ),
    "it is to be a copy, and the source is still attached": Told(
        world(replace(on(1), disk=ORIGINAL), volume=COPY),
        ("is to be a copy of volume original, but its disk is still on node swarm01 (VM vm1)",),
        ("nothing: its disk is being freed",),
    ),
    "it is being restored": Told(
        world(volume=RESTORING, wanted=claim(1)),
        ("is being restored from its snapshot nightly; its next task starts when that is done",),
        ("`reberth snapshot list data` says what keeps it", "`reberth snapshot restore data --end`"),
    ),
    "it was removed, and its snapshots go first": Told(
        world(volume=replace(SNAPPED, phase=Phase.DELETING)),
        ("was removed; its 1 snapshot is deleted first",),
        ("`reberth snapshot list data` says what keeps a snapshot",),
    ),
    "within the grace": Told(
        held(nodes=[node(1, DOWN, down_for=4.0)], power=RUNS),
        ("node swarm01 (VM vm1), which is down", "seen 'on'", "Waiting for the node", "policy 'detach' acts, in 6 s"),
        ("goes on by itself", "node swarm01 comes back or you power its VM off"),
    ),
    "its gate was heard since Swarm missed it": Told(
        held(nodes=[node(1, DOWN, down_for=20.0)], power=RUNS),
        ("which Swarm calls down, but its gate was heard since: the node lives", "policy 'detach' acts, in 10 s"),
        ("goes on by itself", "If node swarm01 stays down", "restart Docker there"),
    ),
    "its node fell silent, within the grace": Told(
        missed(MISSED_NOW),
        ("which Swarm calls ready, but neither its gate nor its node service answers", "'power-off' acts, in 9 s"),
        ("goes on by itself", "if node swarm01 is heard again or you power its VM off"),
    ),
    "its node fell silent, and so did most others": Told(
        missed(MISSED, node(2, silent_for=9.0)),
        ("neither its gate nor its node service answers", "2 of 3 nodes are not ready or silent at once"),
        ("See node swarm01 in the hypervisor: if it hangs, power its VM off",),
    ),
    "the hypervisor is silent about the VM": Told(
        held(nodes=[LONG], power={}),
        ("node swarm01 (VM vm1)", "the hypervisor cannot say whether that VM runs", "never taken for dead"),
        ("power VM vm1 off", '`reberth confirm-dead swarm01 --reason "..."`'),
        "ALARM",
    ),
    "the policy is to hold": Told(
        held(nodes=[LONG], power=RUNS),
        ("node swarm01 is down and its VM vm1 still runs", "policy 'hold' forces nothing"),
        ("Bring node swarm01 back", '`reberth confirm-dead swarm01 --reason "..."`'),
        "ALARM",
        HOLD,
    ),
    "a storm": Told(
        held(nodes=[LONG, node(3, DOWN, down_for=60.0)], power={vm(1): Power.ON, vm(3): Power.ON}),
        ("2 of 3 nodes are not ready at once", "(swarm01, swarm03)", "nothing is fenced"),
        ("Bring node swarm01 back", "confirm-dead swarm01"),
        "ALARM",
    ),
    "Swarm is unsure after a change of leader": Told(
        held(nodes=[node(1, NodeState.UNKNOWN, down_for=60.0)], power=RUNS),
        ("node swarm01 (VM vm1)", "Swarm does not know yet whether that node lives"),
        ("30 s", "`docker node ls`"),
    ),
    "the old gate is silent": Told(
        held(gates=[gate(1, MountState.MOUNTED, 1, age=41.0)]),
        ("node swarm01 (VM vm1), which is ready", "not heard for 40 s"),
        ("On node swarm01: `docker plugin enable reberth`", "power its VM off"),
    ),
    "the old container still runs": Told(
        held(gates=[gate(1, MountState.MOUNTED, 1)]),
        ("still in use on node swarm01 (VM vm1)", "when the old container has ended"),
        ("End the container that uses volume data on node swarm01", "`docker ps`"),
    ),
    "the container has ended and Swarm still wants its task": Told(
        held(record(grant(1)), running(claim(1)), gates=[gate(1, MountState.UNMOUNTED, 1)]),
        (
            "gate on node swarm01 (VM vm1) has unmounted it, because the container of its task has ended",
            "waiting for Swarm",
        ),
        ("half a minute", "`docker service update --force db`"),
    ),
    "the container of the last task still runs on the same node": Told(
        held(REVOKED, claim(1, "t2"), gates=[gate(1, volumes={V: said_of(MountState.MOUNTED, 2, (1,), floor=2)})]),
        (
            "the container of task t1 on node swarm01 (VM vm1) still has it mounted",
            "starts only when that has ended",
            "10 s after it asked it to stop",
        ),
        ("stop_grace_period", "on node swarm01: `docker ps --filter volume=data`", "`docker kill`", "restarted"),
    ),
    "a container that nobody can name runs on the node": Told(
        held(record(), claim(1, "t2"), gates=[gate(1, MountState.MOUNTED, 1, users=(0, 0))]),
        ("the container of an earlier task on node swarm01 (VM vm1) still has it mounted",),
        ("`docker ps --filter volume=data`",),
    ),
    "the gate was asked to refuse an earlier task's mounts": Told(
        held(REVOKED, claim(1, "t2")),
        ("the gate on node swarm01 (VM vm1) was asked to refuse the mounts of an earlier task",),
        ("node swarm01",),
    ),
    "the old gate cannot unmount": Told(
        held(gates=[STUCK]),
        ("cannot be unmounted on node swarm01", "process 4711 has a file open"),
        ("node swarm01",),
    ),
    "the node is down and nobody can take the volume": Told(
        held(wanted=None, nodes=[LONG], power=RUNS),
        ("last used on node swarm01 (VM vm1), which is down while its VM runs", "nothing is forced"),
        ("Bring node swarm01 back", "`docker node ls`"),
    ),
    "the target is away": Told(
        held(record(), claim(1), nodes=[node(1, NodeState.DISCONNECTED)]),
        ("its task is on node swarm01, which is disconnected",),
        ("Bring node swarm01 back", "`docker node update --availability drain swarm01`"),
    ),
    "the target is full": Told(
        world(volume=record(), wanted=claim(1), attachments=tuple(on(1, disk=f"disk-{i}") for i in range(8))),
        ("the VM of node swarm01 has 8 disks already",),
        ("Move a service with a volume away from node swarm01",),
        "refused",
    ),
    "the target's gate is silent": Told(
        held(record(), claim(1), gates=[gate(1, age=41.0)]),
        ("ready for node swarm01, but the gate there was not heard within 40 s",),
        ("On node swarm01: `docker plugin enable reberth`", "drain swarm01"),
    ),
    "the target's gate is sick": Told(
        held(record(grant(1)), claim(1), gates=[SICK]),
        ("on node swarm01 (VM vm1), but the gate there reports: the file system is read-only",),
        ("Mend on node swarm01",),
    ),
    "the task is not placed": Told(
        held(record(), claim(None)),
        ("the task of service db is not placed on a node yet",),
        ("keeps Swarm from placing", "`docker service ps --no-trunc db`"),
    ),
    "Swarm gave its service up": Told(
        held(record(), replace(claim(None), tasks=(), services=("db",), given_up=("db",))),
        ("given up service db", "max_attempts", "stays on node swarm01 (VM vm1)", "`docker service update --force db`"),
        ("`docker service ps --no-trunc db`",),
    ),
    "its task runs on another directory": Told(
        world(on(1), volume=record(grant(1)), wanted=running(claim(1)), running={TaskId("t1"): 60.0}),
        ("task t1 of service db runs on node swarm01", "has not mounted the volume", "a local volume of the same name"),
        ("On node swarm01", "`docker service scale db=0`", "`docker volume rm data` there"),
        "ALARM",
    ),
    "claims in conflict": Told(
        held(record(), claim(1, conflict="services db and web want it on two nodes: give web its own volume.")),
        ("services db and web want it on two nodes",),
        ("stack file", "deploy it again"),
        "refused",
    ),
    "on many VMs": Told(
        world(on(1), on(2), volume=record(), wanted=claim(1)),
        ("attached to several VMs at once: node swarm01 (VM vm1), node swarm02 (VM vm2)", "Nothing is touched"),
        ("Stop the containers", "detach the disk from the others"),
        "ALARM",
    ),
    "a host cannot be read": Told(
        world(volume=record(), wanted=claim(1), unlisted=("host b is away", "host c is away")),
        ("its disk is on no machine that the storage could read", "host b is away (and 1 more)", "is seen go on"),
        ("Mend what the reason names in the storage system or the hypervisor",),
    ),
    "the storage is at work": Told(
        world(on(1, state=AttachmentState.UNCERTAIN), volume=record(), wanted=claim(1)),
        ("still at work on its disk (node swarm01 (VM vm1))",),
        ("If it lasts for minutes", "the storage system", "node swarm01"),
    ),
    "a newer leader acts": Told(
        world(on(1, 8), volume=record(), wanted=claim(1)),
        ("the epoch of a newer leader than this controller (epoch 7)",),
        ("`reberth status`",),
    ),
    "removed, but wanted": Told(
        held(record(phase=Phase.DELETING), claim(1)),
        ("removed with `docker volume rm`, but service db wants it",),
        ("`docker service rm db`", "another volume"),
        "refused",
    ),
    "removed, kept, and wanted": Told(
        held(record(phase=Phase.DELETING, delete_at=3600.0), claim(1), kept={V: 60.0}),
        ("`reberth undelete data` gives it back", "remove the service, then `reberth remove data --now`"),
        ("`reberth undelete data`",),
        "refused",
    ),
    "removed, and kept for a while": Told(
        world(volume=record(phase=Phase.DELETING, delete_at=3600.0), kept={V: 60.0}),
        ("was removed", "kept until 1970-01-01 01:00 UTC"),
        ("`reberth undelete data`", "`reberth remove data --now`"),
        "kept",
    ),
    "not made yet": Told(world(wanted=claim(1)), ("not known yet",), ("`docker service ps --no-trunc db`",)),
    "the node's VM is unknown": Told(
        world(volume=record(), wanted=claim(1), nodes=[node(1, vm=None)]),
        ("which virtual machine node swarm01 is", "`docker service ps reberth_node --filter node=swarm01`"),
        ("node swarm01", "`docker node update --availability drain swarm01`"),
        "refused",
    ),
    "a call is in doubt": Told(
        world(volume=record(intent=Intent(Operation.ATTACH, EPOCH, vm(1))), wanted=claim(1)),
        ("the attach asked for on node swarm01 (VM vm1) got no answer and may still happen", "a new epoch"),
        (NOBODY,),
        "working",
    ),
    "two nodes say they are one VM": Told(
        world(volume=record(), wanted=claim(1), nodes=[node(2, vm=vm(1))]),
        ("node swarm01 and another ready node report the same VM vm1", "own SMBIOS UUID"),
        ("node swarm01",),
        "refused",
    ),
    "a person's word about a node that is ready": Told(
        held(
            gates=[gate(1, MountState.MOUNTED, 1)],
            confirmations=(Confirmation(NodeId("n1"), vm(1), BootId("b1"), "fire"),),
        ),
        ("still in use on node swarm01",),
        ("End the container",),
    ),
    **EVERYWHERE,
}
