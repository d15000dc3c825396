"""A swarm as the README makes it has no finding; each fault that is put into it is found, with a cure."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from controller.doctor import managers, nodes, services, standing, storage
from controller.doctor.checks import CHECKS
from controller.doctor.findings import Facts, NodeReport, examine
from controller.model import (
    Attachment,
    Claim,
    Confirmation,
    Detect,
    DiskId,
    Epoch,
    FencePolicy,
    Node,
    NodeId,
    NodeState,
    PausedPart,
    Refusal,
    Spec,
    VmId,
    VolumeKey,
)
from controller.volumes.naming import disk_key, volume_key
from drivers.base import Room
from tests.support.healthy_swarm import (
    DATA,
    DB,
    HEALTHY,
    KEEPER,
    RECORD,
    Fault,
    S,
    also,
    capable,
    cluster,
    container,
    database,
    described,
    engine,
    mount,
    node,
    one_node,
    own,
    reported,
    second_user,
    spec,
    swarm,
    update_failed,
    without_report,
    world,
)
from watchers.docker_json import ManagerStatus, Mode, NodeStatus, Placement, Replicated, TaskStatus, Update
from watchers.swarm_facts import (
    CaConfig,
    Container,
    Dispatcher,
    Encryption,
    Engine,
    Network,
    Platform,
    Plugin,
    RestartPolicy,
    ServiceFacts,
    ServiceSpec,
    Task,
    TaskFacts,
)


def two_more_managers(facts: Facts) -> Facts:
    names = ("m4", "m5")
    tasks = tuple(TaskFacts("controller", name, "running", TaskStatus("running")) for name in names)
    reports = {**facts.reports, **{NodeId(name): NodeReport() for name in names}}
    return swarm(nodes=(*facts.swarm.nodes, *map(node, names)), tasks=(*facts.swarm.tasks, *tasks))(
        replace(facts, reports=reports)
    )


AWAY = {"availability": "drain"}
XFS = replace(RECORD, spec=Spec(4 << 30, "xfs"))
TWIN = Node(NodeId("w1"), "w1", NodeState.READY, vm=VmId("vm-m1"))
NODES = (HEALTHY.world.nodes if HEALTHY.world is not None else None) or {}


def left_behind(facts: Facts) -> Facts:
    assert facts.world is not None
    old = Node(NodeId("w1-old"), "w1", NodeState.DOWN, vm=VmId("vm-w1"), down_for=60.0)
    return world(nodes={**(facts.world.nodes or {}), old.id: old})(facts)


SEEDS: dict[str, Fault] = {
    "managers-one": lambda facts: swarm(nodes=(facts.swarm.nodes[0], facts.swarm.nodes[3]))(facts),
    "managers-even": lambda facts: swarm(nodes=facts.swarm.nodes[1:])(facts),
    "managers-drained": also(spec("m1", **AWAY), spec("m2", **AWAY), spec("m3", **AWAY)),
    "manager-drained": spec("m2", **AWAY),
    "manager-unreachable": also(
        one_node("m2", lambda n: msgspec.structs.replace(n, manager_status=ManagerStatus(False, "unreachable"))),
        two_more_managers,
    ),
    "quorum-at-risk": one_node(
        "m2", lambda n: msgspec.structs.replace(n, manager_status=ManagerStatus(False, "unreachable"))
    ),
    "heartbeat-short": cluster(dispatcher=Dispatcher(2 * S)),
    "heartbeat-long": cluster(dispatcher=Dispatcher(31 * S)),
    "autolock": cluster(encryption_config=Encryption(True)),
    "certificates-short": cluster(ca_config=CaConfig(3600 * S)),
    "no-controller-service": swarm(services=(own("node"), DB, KEEPER)),
    "no-node-service": swarm(services=(own("controller"), DB, KEEPER)),
    "installed-twice": swarm(
        services=(own("controller"), own("node"), msgspec.structs.replace(own("node"), id="other"), DB, KEEPER)
    ),
    "update-stuck": update_failed,
    "images-differ": swarm(
        services=(
            own("controller"),
            ServiceFacts("n", ServiceSpec("reberth_node", {"reberth.role": "node"}, Task(Container("reberth:2")))),
            DB,
            KEEPER,
        )
    ),
    "controller-missing": lambda facts: swarm(tasks=facts.swarm.tasks[1:])(facts),
    "node-not-ready": one_node("w1", lambda n: msgspec.structs.replace(n, status=NodeStatus("down"))),
    "node-not-linux": described("w1", platform=Platform("windows")),
    "plugin-missing": described("w1", engine=Engine("26.1.5", (Plugin("Volume", "local"),))),
    "engine-old": described("w1", engine=Engine("19.03.5", (Plugin("Volume", "reberth:latest"),))),
    "engines-differ": described("w1", engine=Engine("28.5.2", (Plugin("Volume", "reberth:latest"),))),
    "node-silent": without_report,
    "gate-state": reported("w1", gate="the plugin is disabled: docker plugin enable reberth"),
    "userns-remap": engine("w1", security_options=("name=userns",)),
    "rootless": engine("w1", security_options=("name=rootless",)),
    "live-restore": engine("w1", live_restore_enabled=True),
    "selinux": engine("w1", security_options=("name=selinux",)),
    "kernel-old": also(engine("w1", kernel_version="5.4.0-90-generic"), world(volumes={DATA: XFS})),
    "multipath": reported("w1", multipath=True),
    "clock-offset": reported("w1", clock_offset=-90.0),
    "local-volume": reported("w1", local_volumes=("data", "other")),
    "tcp-retries2": reported("m2", tcp_retries2=15),
    "mtu-differs": reported("w1", mtu=1400),
    "docker-space": reported("w1", root_free=900 << 20),
    "gate-version": reported("w1", gate_version="0.0.9"),
    "storage-space": lambda facts: replace(facts, rooms=(Room("the pool reberth", 9 << 30, 100 << 30),)),
    "vm-shared": world(nodes={**NODES, NodeId("w1"): TWIN}, attachments=()),
    "vm-settings": lambda facts: replace(facts, concerns={VmId("vm-w1"): ("disk.EnableUUID is not set",)}),
    "label-left": spec("w1", labels={"reberth": "down"}),
    "docker-root": engine("w1", docker_root_dir="/srv/docker"),
    "service-global": database(service={"mode": Mode(None)}),
    "service-replicas": database(service={"mode": Mode(Replicated(3))}),
    "update-start-first": database(service={"update_config": Update("start-first")}),
    "rollback-start-first": database(service={"rollback_config": Update("start-first")}),
    "restart-none": database(restart_policy=RestartPolicy("none")),
    "max-attempts": database(restart_policy=RestartPolicy(max_attempts=3)),
    "restart-delay": database(restart_policy=RestartPolicy(delay=31 * S)),
    "grace-long": container(stop_grace_period=300 * S),
    "constraint-missing": database(placement=Placement(None)),
    "service-pinned": database(placement=Placement(("node.labels.reberth != down", "node.hostname == w1"))),
    "on-leader": swarm(
        tasks=(*HEALTHY.swarm.tasks[:3], TaskFacts("db", "m1", "running", TaskStatus("running"))),
    ),
    "mount-anonymous": container(mounts=(mount(source=""),)),
    "mount-read-only": container(mounts=(msgspec.structs.replace(mount(), read_only=True),)),
    "mount-above": container(image="postgres:15", mounts=(mount(target="/var/lib/postgresql"),)),
    "driver-unnamed": also(second_user(), database(container_spec=Container("ours/db:1", mounts=(mount(driver=""),)))),
    "options-differ": second_user(size="2GiB"),
    "overlay": database(networks=(Network("net-id"),)),
    "no-look": lambda facts: replace(facts, world=None),
    "unread": world(unread=("vCenter does not answer",)),
    "paused": world(paused="works"),
    "paused-part": world(paused_parts=(PausedPart("works", volume=DATA),)),
    "no-storage": capable(max_disks_per_vm=0),
    "not-exclusive": capable(exclusive_attach=False),
    "no-epoch-guard": capable(epoch_guard=False),
    "fence-power-off": capable(detach_cuts_io=False),
    "fence-hold": lambda facts: replace(facts, policy=replace(facts.policy, fence=FencePolicy.HOLD)),
    "stamp-above": world(attachments=(Attachment(DiskId("disk"), VmId("vm-w1"), epoch=Epoch(9)),)),
    "disk-unknown": world(
        attachments=(Attachment(DiskId("disk"), VmId("vm-w1")), Attachment(DiskId("what"), VmId("vm-m1")))
    ),
    "volume-full": lambda facts: replace(facts, full={"data": "volume data is 93% full, 71 MiB are left"}),
    "disk-unrecorded": lambda facts: replace(
        world(volumes={}, attachments=())(facts), keys=(disk_key(volume_key(DATA), "older"),)
    ),
    "vm-full": also(capable(max_disks_per_vm=1)),
    "idle-on-drained": spec("w1", **AWAY),
    "setback": lambda facts: replace(facts, setbacks={"data": "the storage refused to attach: no room"}),
    "nowhere-to-go": world(nodes={NodeId("w1"): Node(NodeId("w1"), "w1", NodeState.READY, vm=VmId("vm-w1"))}),
    "storm-always": lambda facts: replace(facts, policy=replace(facts.policy, max_down_fraction=0.2)),
    "detect-idle": lambda facts: replace(facts, policy=replace(facts.policy, detect=Detect.GATE)),
    "detect-deaf": also(
        swarm(services=(own("controller"), DB, KEEPER)),
        lambda facts: replace(facts, policy=replace(facts.policy, detect=Detect.GATE, fence=FencePolicy.POWER_OFF)),
    ),
    "vm-refused": world(refused={NodeId("w1"): "VM vm-w1 is that of node m1, which lives"}),
    "node-left-behind": left_behind,
    "confirmed-dead": world(confirmations=(Confirmation(NodeId("w1"), VmId("vm-w1"), None, "fire", "ann"),)),
    "record-unreadable": world(unreadable={VolumeKey("logs"): "it has schema 2, this controller knows 1"}),
    "records-unkept": swarm(services=HEALTHY.swarm.services[:-1]),
    "given-up": world(claims={DATA: Claim(DATA, None, (), given_up=("db",))}),
    "second-service": world(claims={DATA: Claim(DATA, None, (), refused=(Refusal("other", None, "db has it."),))}),
    "xfs-small": world(volumes={DATA: replace(RECORD, spec=Spec(512 << 20, "xfs"))}),
}
# What comes with a fault by its nature.
WITH = {
    "quorum-at-risk": {"manager-unreachable"},
    "engine-old": {"engines-differ"},
    "detect-deaf": {"no-node-service"},
}


def codes(facts: Facts) -> set[str]:
    return {each.code for each in examine(facts, CHECKS)}


def test_a_swarm_as_the_readme_makes_it_has_no_finding() -> None:
    assert examine(HEALTHY, CHECKS) == ()


@pytest.mark.parametrize("code", sorted(SEEDS))
def test_a_fault_is_found_and_nothing_else(code: str) -> None:
    assert codes(SEEDS[code](HEALTHY)) - WITH.get(code, set()) == {code}


@pytest.mark.parametrize("code", sorted(SEEDS))
def test_a_finding_names_what_is_wrong_and_what_to_do(code: str) -> None:
    for finding in examine(SEEDS[code](HEALTHY), CHECKS):
        assert finding.subject
        assert len(finding.text) > 20
        assert finding.cure.endswith(".")


def test_every_code_that_a_check_can_say_has_its_fault_here() -> None:
    said = "".join(inspect.getsource(each) for each in (managers, nodes, services, standing, storage))
    found = set(re.findall(r'(?:error|warning|note)\(\s*f?"([a-z0-9-]+)"', said))
    assert found <= SEEDS.keys() | {"no-", "-start-first"}
    assert len(SEEDS) >= 40


def test_the_worst_comes_first() -> None:
    found = examine(also(SEEDS["autolock"], SEEDS["overlay"], SEEDS["multipath"])(HEALTHY), CHECKS)
    assert [each.severity.value for each in found] == ["error", "warning", "note"]


def test_a_newer_gate_is_told_that_controllers_come_first() -> None:
    (finding,) = examine(reported("w1", gate_version="9.0")(HEALTHY), CHECKS)
    assert (finding.code, finding.subject) == ("gate-version", "w1")
    assert finding.cure.startswith("Controllers come first")


def test_the_mtu_of_most_managers_counts_and_without_a_manager_s_word_none_does() -> None:
    assert [each.subject for each in examine(reported("m2", mtu=9000)(HEALTHY), CHECKS)] == ["m2"]
    silent = also(*(reported(name, mtu=None) for name in ("m1", "m2", "m3")))
    assert codes(silent(reported("w1", mtu=1400)(HEALTHY))) == set()


def test_much_room_is_enough_also_where_it_is_a_small_part() -> None:
    assert codes(replace(HEALTHY, rooms=(Room("the pool", 100 << 30, 100 << 40),))) == set()


@pytest.mark.parametrize(
    ("image", "found"), [("postgres:17-alpine", True), ("postgres:18", False), ("postgres", False), ("mysql", True)]
)
def test_a_folder_above_the_one_that_an_image_declares_is_told_where_it_declares_that_one(
    image: str, found: bool
) -> None:
    """From 18 on PostgreSQL's image wants its volume at /var/lib/postgresql, and starts with no other."""
    target = "/var/lib" if image == "mysql" else "/var/lib/postgresql"
    assert codes(container(image=image, mounts=(mount(target=target),))(HEALTHY)) == (
        {"mount-above"} if found else set()
    )


def test_every_code_is_in_the_document() -> None:
    document = (Path(__file__).resolve().parents[4] / "docs" / "doctor.md").read_text()
    assert [code for code in SEEDS if f"`{code}`" not in document] == []


def external(source: str) -> Fault:
    """The database, pinned, with this name and no driver."""
    named = Container("ours/db:1", mounts=(mount(source=source, driver=""),))
    return database(container_spec=named, placement=Placement(("node.hostname == w1",)))


@pytest.mark.parametrize(("source", "ours"), [("data", True), ("da{{.Task.Slot}}", True), ("other", False)])
def test_a_service_that_names_only_an_external_volume_of_ours_is_looked_at_like_any_other(
    source: str, ours: bool
) -> None:
    assert ({"constraint-missing", "service-pinned"} <= codes(external(source)(HEALTHY))) is ours
    assert ("service-pinned" in codes(external(source)(HEALTHY))) is ours
