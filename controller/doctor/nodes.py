"""Checks of nodes: engine, kernel, gate, and the machine under each. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from controller.doctor.findings import DRIVER, Check, Facts, Finding, NodeReport, error, note, warning
from controller.doctor.node_advice import advice
from controller.doctor.versions import is_older
from controller.model import Node, NodeId, VmId
from watchers.swarm_facts import NodeFacts

OLDEST_ENGINE = (20, 10)
XFS_KERNEL = (5, 10)  # what an xfs of the gate's mkfs may need
MOST_OFFSET = 5.0  # seconds between a node's clock and ours
LEAST_ROOM = 1 << 30  # a gate is made of the whole image, beside the one that is there
_CONTROLLERS_FIRST = (
    "Controllers come first: deploy the stack with that version's image; `reberth upgrade` has the rest."
)


def _ready(facts: Facts) -> list[NodeFacts]:
    return [node for node in facts.swarm.nodes if node.status.state == "ready"]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", version)[:2])


def states(facts: Facts) -> Iterator[Finding]:
    for node in facts.swarm.nodes:
        if node.status.state != "ready":
            text = f"Swarm calls node {node.name} {node.status.state}."
            cure = "Mend it, or remove it: `docker node rm NODE`, once its volumes have moved."
            yield warning("node-not-ready", node.name, text, cure)
        if node.description.platform.os not in {"", "linux"}:
            text = f"Node {node.name} runs {node.description.platform.os}: a gate cannot."
            cure = "Keep services with volumes away: constraint node.platform.os == linux."
            yield note("node-not-linux", node.name, text, cure)


def plugins(facts: Facts) -> Iterator[Finding]:
    for node in _ready(facts):
        found = [each.name.partition(":")[0] for each in node.description.engine.plugins or () if each.type == "Volume"]
        if DRIVER not in found and node.description.platform.os in {"", "linux"}:
            text = f"Node {node.name} has no plugin {DRIVER}: Swarm places no task with its volumes there."
            cure = f"`docker service ps --no-trunc reberth_node`; on the node `docker plugin ls` and `enable {DRIVER}`."
            yield error("plugin-missing", node.name, text, cure)


def engines(facts: Facts) -> Iterator[Finding]:
    versions: dict[str, str] = {node.name: node.description.engine.engine_version for node in _ready(facts)}
    for name, version in versions.items():
        if version and _numbers(version) < OLDEST_ENGINE:
            text = f"Node {name} runs Docker {version}; Reberth needs 20.10 or newer."
            yield error("engine-old", name, text, "Upgrade Docker there.")
    if len({_numbers(each)[:1] for each in versions.values() if each}) > 1:
        listed = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        yield note("engines-differ", "swarm", f"Docker's major versions differ: {listed}.", "Upgrade node by node.")


def reports(facts: Facts) -> Iterator[Finding]:
    for node in _ready(facts):
        if node.description.platform.os not in {"", "linux"}:
            continue
        report = facts.reports.get(NodeId(node.id))
        if report is None:
            text = f"The node service of {node.name} has not spoken to this controller."
            cure = "Is TCP 7490 of the managers open for it? `docker service ps --no-trunc reberth_node` says more."
            yield error("node-silent", node.name, text, cure)
        elif report.gate != "running":
            yield warning("gate-state", node.name, f"Gate of {node.name}: {report.gate}", "As the sentence says.")


def engine_settings(facts: Facts) -> Iterator[Finding]:
    for node in _ready(facts):
        report = facts.reports.get(NodeId(node.id))
        engine = None if report is None else report.engine
        if engine is None:
            continue
        if engine.security("userns"):
            text = f"Docker on {node.name} remaps user namespaces: the gate and host networking do not work with it."
            yield error("userns-remap", node.name, text, "Remove userns-remap from daemon.json of the swarm's nodes.")
        if engine.security("rootless"):
            text = f"Docker on {node.name} runs rootless: it can mount no disk."
            yield error("rootless", node.name, text, "Use Docker as root on the swarm's nodes.")
        if engine.live_restore_enabled:
            text = f"live-restore is on at {node.name}; Swarm cannot work with it."
            yield error("live-restore", node.name, text, "Remove live-restore from daemon.json.")
        if engine.security("selinux"):
            text = f"SELinux is on at {node.name}: a new file system has no label that containers may write to."
            yield note("selinux", node.name, text, "Leave out nocopy once, or give the volume a context (docs).")


def xfs_kernels(facts: Facts) -> Iterator[Finding]:
    for node in _ready(facts) if any(_is_xfs(facts)) else ():
        report = facts.reports.get(NodeId(node.id))
        kernel = "" if report is None or report.engine is None else report.engine.kernel_version
        if kernel and _numbers(kernel) < XFS_KERNEL:
            text = f"Kernel {kernel} of {node.name} is older than what made the xfs volumes may expect."
            yield warning("kernel-old", node.name, text, "Use ext4, or a kernel of 5.10 or newer on all nodes.")


def _is_xfs(facts: Facts) -> Iterator[bool]:
    volumes = facts.world.volumes if facts.world is not None else None
    return (record.spec.fstype == "xfs" for record in (volumes or {}).values())


def machines(facts: Facts) -> Iterator[Finding]:
    for node in _ready(facts):
        report = facts.reports.get(NodeId(node.id))
        if report is None:
            continue
        if report.multipath:
            text = f"multipathd's module is loaded on {node.name}: it may take a new disk before the gate does."
            cure = "Blacklist Reberth's disks in /etc/multipath.conf (docs/install.md)."
            yield warning("multipath", node.name, text, cure)
        if abs(report.clock_offset) > MOST_OFFSET:
            text = f"The clock of {node.name} is {report.clock_offset:+.0f} s off: histories and reports will mislead."
            yield note("clock-offset", node.name, text, "Run chrony or systemd-timesyncd on every node.")
        taken = sorted({*report.local_volumes} & facts.volumes)
        for volume in taken:
            text = f"Node {node.name} has a *local* volume {volume}: a task there starts on it, not on Reberth's disk."
            cure = f"On {node.name}: look at what is in it, then `docker volume rm {volume}`."
            yield error("local-volume", node.name, text, cure)


def kernels(facts: Facts) -> Iterator[Finding]:
    for node in (facts.world.nodes or {}).values() if facts.world is not None else ():
        report = facts.reports.get(node.id)
        text = "" if report is None else advice(node, report.tcp_retries2)
        if text:
            yield warning("tcp-retries2", node.hostname, text, "On it: `deploy/install.sh node`.")


def vms(facts: Facts) -> Iterator[Finding]:
    nodes = (facts.world.nodes or {}).values() if facts.world is not None else ()
    placed = [(node, node.vm) for node in nodes if node.vm is not None]
    many = Counter(vm for node, vm in placed if node.down_for is None)
    for node, vm in placed:
        if many[vm] > 1 and node.down_for is None:
            text = f"Two ready nodes say that they are VM {vm}: neither gets a disk."
            yield error("vm-shared", node.hostname, text, "Give each VM an SMBIOS UUID of its own in the hypervisor.")
        yield from _settings(facts, node, vm)


def _settings(facts: Facts, node: Node, vm: VmId) -> Iterator[Finding]:
    for concern in facts.concerns.get(vm, ()):
        yield warning("vm-settings", node.hostname, concern, "As the sentence says, in the hypervisor.")


def mtus(facts: Facts) -> Iterator[Finding]:
    told = [(node, mtu) for node in _ready(facts) if (mtu := _said(facts, node).mtu)]
    managers = Counter(mtu for node, mtu in told if node.manager_status is not None)
    if not managers:
        return
    usual = max(managers, key=lambda mtu: (managers[mtu], mtu))
    for node, mtu in told:
        if mtu != usual:
            text = (
                f"The MTU from {node.name} to the managers is {mtu}, that of managers is {usual}: large packets may "
                "get lost while small ones arrive, so that joins, volumes or databases hang now and then."
            )
            cure = "Give the interfaces of all nodes, and what is between them, the same MTU (`ip link`)."
            yield warning("mtu-differs", node.name, text, cure)


def data_room(facts: Facts) -> Iterator[Finding]:
    for node in _ready(facts):
        free = _said(facts, node).root_free
        if free is not None and free < LEAST_ROOM:
            text = (
                f"{free >> 20} MiB are free where Docker's data is on {node.name}: images, the gate's exchange and "
                "what Swarm writes need room there."
            )
            cure = "On it: `docker system df` says what takes it, `docker image prune` frees some; or make it larger."
            yield warning("docker-space", node.name, text, cure)


def gates(facts: Facts) -> Iterator[Finding]:
    for node in _ready(facts):
        gate = _said(facts, node).gate_version
        if gate and facts.version and gate != facts.version:
            text = f"The gate of {node.name} is of version {gate}, the controller that acts of {facts.version}."
            newer = is_older(facts.version, gate)
            cure = _CONTROLLERS_FIRST if newer else f"`reberth upgrade` says what the gate of {node.name} waits for."
            yield warning("gate-version", node.name, text, cure)


def _said(facts: Facts, node: NodeFacts) -> NodeReport:
    return facts.reports.get(NodeId(node.id)) or NodeReport()


def labels(facts: Facts) -> Iterator[Finding]:
    for node in _ready(facts):
        if (node.spec.labels or {}).get(facts.down_label) == "down":
            text = f"Node {node.name} is ready and bears the label {facts.down_label}=down: it gets no such task."
            cure = f"If it stays for a minute: `docker node update --label-rm {facts.down_label} {node.name}`."
            yield note("label-left", node.name, text, cure)


def roots(facts: Facts) -> Iterator[Finding]:
    found = {
        node.name: report.engine.docker_root_dir
        for node in _ready(facts)
        if (report := facts.reports.get(NodeId(node.id))) is not None and report.engine is not None
    }
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{name} {root}" for name, root in sorted(found.items()))
        text = f"Docker's data folder differs from node to node: {listed}. The stack binds one."
        yield error("docker-root", "swarm", text, "Use the same data-root on all nodes, and name it in DOCKER_ROOT.")


CHECKS: tuple[Check, ...] = (
    states,
    plugins,
    engines,
    reports,
    engine_settings,
    xfs_kernels,
    machines,
    kernels,
    vms,
    mtus,
    data_room,
    gates,
    labels,
    roots,
)
