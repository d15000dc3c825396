"""A swarm as the README makes it, as the doctor sees it, and the ways to break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from controller.doctor.findings import Facts, NodeReport
from controller.model import (
    Attachment,
    Capabilities,
    DiskId,
    Epoch,
    Node,
    NodeId,
    NodeState,
    Phase,
    Policy,
    Spec,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)
from drivers.base import Room
from watchers.docker_json import (
    DriverConfig,
    ManagerStatus,
    Mode,
    Mount,
    NodeSpec,
    NodeStatus,
    Placement,
    Replicated,
    TaskStatus,
    Update,
    VolumeOptions,
)
from watchers.swarm_facts import (
    ClusterFacts,
    ClusterSpec,
    ConfigReference,
    Container,
    Description,
    Engine,
    EngineFacts,
    NetworkFacts,
    NodeFacts,
    Platform,
    Plugin,
    ServiceFacts,
    ServiceSpec,
    SwarmFacts,
    Task,
    TaskFacts,
    UpdateStatus,
)

S = 1_000_000_000
DATA = VolumeName("data")
GOOD = Capabilities("fine", True, True, True, 60, True, True)
ENGINE = EngineFacts("26.1.5", "6.1.0", "/var/lib/docker", security_options=("name=apparmor", "name=seccomp,profile=x"))


def node(name: str, manager: bool = True, leader: bool = False) -> NodeFacts:
    return NodeFacts(
        name,
        NodeSpec("manager" if manager else "worker"),
        Description(
            name, Platform(), Engine("26.1.5", (Plugin("Volume", "reberth:latest"), Plugin("Volume", "local")))
        ),
        NodeStatus("ready"),
        ManagerStatus(leader, "reachable") if manager else None,
    )


def own(role: str) -> ServiceFacts:
    return ServiceFacts(role, ServiceSpec(f"reberth_{role}", {"reberth.role": role}, Task(Container("reberth:1"))))


def mount(source: str = "data", target: str = "/data", driver: str = "reberth", **options: str) -> Mount:
    return Mount("volume", source, target, False, VolumeOptions(DriverConfig(driver, options or {"size": "1GiB"})))


DB = ServiceFacts(
    "db",
    ServiceSpec(
        "db",
        {},
        Task(Container("ours/db:1", mounts=(mount(),)), Placement(("node.labels.reberth != down",))),
        Mode(Replicated(1)),
        Update("stop-first"),
        Update("stop-first"),
    ),
)
KEEPER = ServiceFacts(
    "records",
    ServiceSpec(
        "reberth-records-1",
        {"reberth.records": ""},
        Task(Container("nothing", configs=(ConfigReference("reberth.volume.data"),))),
    ),
)
RECORD = VolumeRecord(DATA, VolumeKey("data"), Spec(1 << 30), "uuid", Phase.READY, DiskId("disk"))
HEALTHY = Facts(
    SwarmFacts(
        ClusterFacts(),
        (node("m1", leader=True), node("m2"), node("m3"), node("w1", manager=False)),
        (own("controller"), own("node"), DB, KEEPER),
        (
            *(TaskFacts("controller", name, "running", TaskStatus("running")) for name in ("m1", "m2", "m3")),
            TaskFacts("db", "w1", "running", TaskStatus("running")),
        ),
        (NetworkFacts("bridge-id", "bridge", "bridge"), NetworkFacts("net-id", "net", "overlay")),
    ),
    World(
        Epoch(3),
        {
            NodeId(name): Node(NodeId(name), name, NodeState.READY, name != "w1", vm=VmId(f"vm-{name}"))
            for name in ("m1", "m2", "m3", "w1")
        },
        {},
        {DATA: RECORD},
        (Attachment(DiskId("disk"), VmId("vm-w1"), epoch=Epoch(3)),),
        {},
    ),
    Policy(capabilities=GOOD),
    {
        NodeId(name): NodeReport(engine=ENGINE, gate_version="0.1.0", mtu=1500, root_free=20 << 30)
        for name in ("m1", "m2", "m3", "w1")
    },
    version="0.1.0",
    rooms=(Room("the pool reberth", 50 << 30, 100 << 30),),
)
assert HEALTHY.world is not None
Fault = Callable[[Facts], Facts]


def swarm(**changes: object) -> Fault:
    return lambda facts: replace(facts, swarm=msgspec.structs.replace(facts.swarm, **changes))


def cluster(**changes: object) -> Fault:
    return swarm(cluster=ClusterFacts(msgspec.structs.replace(ClusterSpec(), **changes)))


def one_node(name: str, change: Callable[[NodeFacts], NodeFacts]) -> Fault:
    return lambda facts: swarm(nodes=tuple(change(n) if n.id == name else n for n in facts.swarm.nodes))(facts)


def spec(name: str, **changes: object) -> Fault:
    return one_node(name, lambda n: msgspec.structs.replace(n, spec=msgspec.structs.replace(n.spec, **changes)))


def described(name: str, **changes: object) -> Fault:
    return one_node(
        name, lambda n: msgspec.structs.replace(n, description=msgspec.structs.replace(n.description, **changes))
    )


def reported(name: str, **changes: object) -> Fault:
    def fault(facts: Facts) -> Facts:
        report = replace(facts.reports[NodeId(name)], **changes)  # type: ignore[arg-type]
        return replace(facts, reports={**facts.reports, NodeId(name): report})

    return fault


def engine(name: str, **changes: object) -> Fault:
    return reported(name, engine=msgspec.structs.replace(ENGINE, **changes))


def database(*, service: dict[str, object] | None = None, **task: object) -> Fault:
    def fault(facts: Facts) -> Facts:
        changed = msgspec.structs.replace(DB.spec.task_template, **task)
        spec = msgspec.structs.replace(DB.spec, task_template=changed, **(service or {}))
        kept = tuple(each for each in facts.swarm.services if each.id != "db")
        return swarm(services=(*kept, ServiceFacts("db", spec)))(facts)

    return fault


def container(**changes: object) -> Fault:
    return database(container_spec=msgspec.structs.replace(DB.task.container_spec, **changes))


def world(**changes: object) -> Fault:
    def fault(facts: Facts) -> Facts:
        assert facts.world is not None
        return replace(facts, world=replace(facts.world, **changes))  # type: ignore[arg-type]

    return fault


def capable(**changes: object) -> Fault:
    return lambda facts: replace(facts, policy=Policy(capabilities=replace(GOOD, **changes)))  # type: ignore[arg-type]


def also(*faults: Fault) -> Fault:
    def fault(facts: Facts) -> Facts:
        for each in faults:
            facts = each(facts)
        return facts

    return fault


def without_report(facts: Facts) -> Facts:
    return replace(facts, reports={key: value for key, value in facts.reports.items() if key != "w1"})


def update_failed(facts: Facts) -> Facts:
    stuck = msgspec.structs.replace(own("node"), update_status=UpdateStatus("paused", "task failed"))
    return swarm(services=(own("controller"), stuck, DB, KEEPER))(facts)


def second_user(**options: str) -> Fault:
    other = Task(Container("ours/db:1", mounts=(mount(**options),)), Placement(("node.labels.reberth!=down",)))
    return swarm(
        services=(
            *HEALTHY.swarm.services,
            ServiceFacts("db2", ServiceSpec("db2", {}, other, Mode(Replicated(1)))),
        )
    )
