"""Who may ask what, with real certificates and some that do not stand; and what a name means on each node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.protocol.client import ControllerClient, ControllerRefused, ControllerUnreachable, NodeCertificate
from controller.protocol.messages import MountRequest, Sync
from deploy.drill.swarm.scenario import Scenario
from deploy.lab.lab import Lab
from deploy.lab.names import Layout
from tests.drills.tiny import Tiny, Village
from tests.support.certificates import SwarmCa
from tests.support.labs import until

pytestmark = pytest.mark.timeout(600)

MANAGER, WORKER = "swarm01", "swarm02"


def asking(scenario: Scenario, certificates: Path) -> ControllerClient:
    address = f"{scenario.lab.node(MANAGER).address}:7490"
    return ControllerClient(lambda: [address], NodeCertificate(certificates))


def certificates(lab: Lab, node: str) -> Path:
    """A node's own, as Swarm made them."""
    found = next(Layout(lab.spec.name).node_store(node).glob("**/swarm/certificates"), None)
    assert found is not None
    return found


async def test_a_worker_gets_no_volume_of_another_node_with_its_real_certificate(village: Village, lab: Lab) -> None:
    village.make(Tiny("owner", "owned", node=MANAGER))
    village.runs("owner")
    worker, manager = lab.node(WORKER), lab.node(MANAGER)
    boot = lab.exec(WORKER, ["cat", "/run/reberth-lab/boot-id"]).stdout.strip()
    client = asking(village.scenario, certificates(lab, WORKER))
    try:
        with pytest.raises(ControllerRefused, match=f"Swarm wants volume owned on node {MANAGER}.*not on {WORKER}"):
            await client.mount(MountRequest("owned", worker.vm, boot))
        with pytest.raises(ControllerRefused, match=r"was VM .* and now says it is VM"):
            await client.mount(MountRequest("owned", manager.vm, boot))
    finally:
        await client.close()


async def test_a_boot_that_the_hypervisor_does_not_know_is_refused_with_the_nodes_real_certificate(
    village: Village, lab: Lab
) -> None:
    """It would be evidence that the boot that writes has ended: a copied machine would tear the disk from the first."""
    village.make(Tiny("holder", "held", node=WORKER))
    village.runs("holder")
    worker = lab.node(WORKER)
    client = asking(village.scenario, certificates(lab, WORKER))
    try:
        with pytest.raises(ControllerRefused, match=r"the hypervisor says that boot .* runs there.*UUID of its own"):
            await client.sync(Sync(worker.vm, "00000000-0000-4000-8000-000000000000", "copy", (), wait=0.0))
    finally:
        await client.close()
    explained = village.scenario.cluster.explain("held")
    assert (explained.state, len(village.running(WORKER, "holder"))) == ("ok", 1), explained


def test_a_node_whose_uuid_changes_while_it_holds_a_volume_is_refused_and_its_container_goes_on(
    village: Village, lab: Lab
) -> None:
    """As after a clone, or a repair that gave the machine another board: its old name is kept until it is put right."""
    village.make(Tiny("holder", "held", node=WORKER))
    village.runs("holder")
    file = "/run/reberth-lab/vm-uuid"
    assert lab.exec(WORKER, ["sh", "-c", f"echo {lab.node(MANAGER).vm} > {file}"]).returncode == 0
    try:
        village.make(Tiny("next", "another", node=WORKER))
        village.error("next", f"was VM {lab.node(WORKER).vm} and now says it is VM {lab.node(MANAGER).vm}")
        assert [vm for disk, vm in lab.attachments().items() if disk.startswith("held-")] == [lab.node(WORKER).vm]
        assert len(village.running(WORKER, "holder")) == 1
    finally:
        lab.exec(WORKER, ["sh", "-c", f"echo {lab.node(WORKER).vm} > {file}"])
    village.runs("next")


@pytest.mark.parametrize("days", [90, -1], ids=["of another swarm", "expired"])
async def test_a_certificate_that_does_not_stand_is_refused_and_said(
    village: Village, lab: Lab, tmp_path: Path, days: int
) -> None:
    node = next(each["ID"] for each in village.api.nodes() if each["Description"]["Hostname"] == WORKER)
    forged = SwarmCa.create(tmp_path / "ca").issue(node, "swarm-worker", days=days)
    client = asking(village.scenario, forged)
    try:
        with pytest.raises(ControllerUnreachable, match=r"(?i)certificate") as told:
            await client.volumes()
    finally:
        await client.close()
    if days < 0:
        assert "check the clock" in told.value.why


def test_a_node_whose_vm_is_unknown_is_told_to_get_a_uuid(village: Village, lab: Lab) -> None:
    """All zeros is what a hypervisor without SMBIOS gives to every machine."""
    file = "/run/reberth-lab/vm-uuid"
    assert lab.exec(WORKER, ["sh", "-c", f"echo 00000000-0000-0000-0000-000000000000 > {file}"]).returncode == 0
    try:
        village.make(Tiny("nobody", "nowhere", node=WORKER))

        village.error("nobody", "which many machines share", "give the VM a UUID of its own in the hypervisor")
    finally:
        lab.exec(WORKER, ["sh", "-c", f"echo {lab.node(WORKER).vm} > {file}"])


# --- a name on each node


def driver(village: Village, node: str, volume: str) -> str:
    """Of the volume as Docker on that node knows it; empty where it knows none."""
    return village.cli(node, "volume", "inspect", "-f", "{{.Driver}}", volume).stdout.strip()


def listed(village: Village, node: str) -> set[str]:
    found = village.cli(node, "volume", "ls", "-q", "-f", "driver=reberth:latest")
    return set(found.stdout.split())


def made_by_hand(village: Village, node: str, volume: str) -> None:
    made = village.cli(node, "volume", "create", "-d", "reberth", "-o", "size=16MiB", volume)
    assert made.returncode == 0, made.stderr


def test_an_external_volume_is_the_same_on_a_node_that_never_saw_it(village: Village) -> None:
    """Docker would start the container on an empty local volume of that name."""
    made_by_hand(village, MANAGER, "shop")
    village.make(Tiny("shop-1", "shop", None, WORKER))
    village.runs("shop-1")
    assert driver(village, WORKER, "shop") == "reberth:latest"
    for node in (MANAGER, WORKER):
        status = json.loads(village.cli(node, "volume", "inspect", "-f", "{{json .Status}}", "shop").stdout)
        assert (status["node"], status["size"], status["fstype"]) == (WORKER, "16MiB", "ext4")
        assert node != WORKER or "used" in status
    inside(village, WORKER, "shop-1", "echo kept > /data/file; sync")
    assert village.cli(WORKER, "volume", "prune", "-f").returncode == 0
    village.remove("shop-1")
    assert village.cli(WORKER, "volume", "prune", "-f").returncode == 0

    village.make(Tiny("shop-2", "shop", None, MANAGER))
    village.runs("shop-2")

    assert inside(village, MANAGER, "shop-2", "cat /data/file") == "kept\n"


def test_names_are_known_without_controllers_and_after_an_exchange_of_the_gate(village: Village) -> None:
    made_by_hand(village, MANAGER, "unmet")
    until(lambda: "unmet" in listed(village, WORKER), "the worker's gate is told the name")
    update = ("service", "update", "-d", "-q")
    assert (
        village.cli(MANAGER, *update, "--constraint-add", "node.labels.no==yes", "reberth_controller").returncode == 0
    )
    try:
        until(lambda: not controllers(village), "no controller runs")
        assert village.cli(WORKER, "plugin", "rm", "-f", "reberth").returncode == 0
        until(lambda: "unmet" in listed(village, WORKER), "the gate that is made anew knows the name")
        assert driver(village, WORKER, "unmet") == "reberth:latest"
        assert driver(village, WORKER, "nobody-made-it") == ""
    finally:
        village.cli(MANAGER, *update, "--constraint-rm", "node.labels.no==yes", "reberth_controller")
        until(lambda: controllers(village), "a controller runs again")
    until(lambda: village.cli(MANAGER, "volume", "rm", "unmet").returncode == 0, "it is removed on a manager")
    until(lambda: "unmet" not in listed(village, WORKER), "the worker's gate is told that it is gone")


def test_docker_run_with_the_volume_of_a_stopped_service_is_refused_on_each_node_and_harms_nothing(
    village: Village,
) -> None:
    village.make(Tiny("rest", "rested", node=WORKER))
    village.runs("rest")
    inside(village, WORKER, "rest", "echo kept > /data/file; sync")
    village.scale("rest", 0)
    village.ended("rest")
    image = village.scenario.stacks.variables["POSTGRES_IMAGE"]

    for node in (WORKER, MANAGER):
        done = village.cli(node, "run", "--rm", "-v", "rested:/data", image, "cat", "/data/file")
        assert done.returncode != 0
        assert f"no Swarm task on node {node} mounts volume rested" in done.stderr

    village.scale("rest", 1)
    village.runs("rest")
    assert inside(village, WORKER, "rest", "cat /data/file") == "kept\n"


def test_a_container_on_a_local_volume_of_the_name_is_an_alarm_whose_cure_helps(village: Village) -> None:
    """It was there before: Docker takes it, and asks no plugin."""
    assert village.cli(WORKER, "volume", "create", "cache").returncode == 0
    made_by_hand(village, MANAGER, "cache")
    village.make(Tiny("cache", "cache", None, WORKER))
    village.runs("cache")

    explain = village.scenario.cluster.explain
    until(lambda: explain("cache").state == "ALARM", "the alarm")
    assert f"runs on node {WORKER}, but the gate there has not mounted the volume" in explain("cache").why

    village.scale("cache", 0)
    village.ended("cache")
    until(lambda: village.cli(WORKER, "volume", "rm", "cache").returncode == 0, "the local volume is removed")
    village.scale("cache", 1)
    village.runs("cache")
    assert driver(village, WORKER, "cache") == "reberth:latest"
    until(lambda: explain("cache").state == "ok", "all is well")


def controllers(village: Village) -> list[str]:
    return village.cli(MANAGER, "ps", "-q", "-f", "name=reberth_controller").stdout.split()


def inside(village: Village, node: str, service: str, script: str) -> str:
    """A script in the service's container."""
    (container,) = village.running(node, service)
    done = village.cli(node, "exec", container, "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout
