"""Faults of chaos on a real lab: what they break is broken, the rest is not, and their cures leave nothing."""

from __future__ import annotations

import subprocess
import time

import pytest

from deploy.drill.chaos.faults.base import Breaker
from deploy.drill.chaos.faults.catalogue import FAULTS
from deploy.drill.chaos.faults.networks import DELAY
from deploy.drill.chaos.writers import Writer
from deploy.drill.swarm.cluster import Cluster
from deploy.drill.swarm.scenario import Scenario
from deploy.drill.swarm.stacks import Stacks
from deploy.lab.kernel import network
from deploy.lab.lab import Lab
from deploy.lab.names import HOST_PORT
from tests.support.labs import ask, listed, make_disk, mount, sh, states, until

HEAR = """
import socket
with socket.create_server(("", 7777)) as server, server.accept()[0] as taken:
    print(sum(map(len, iter(lambda: taken.recv(65536), b""))))
"""
NODE = "swarm01"
ALL = {"swarm02", "swarm03", "storage"}


@pytest.fixture
def breaker(lab: Lab) -> Breaker:
    """Of a swarm that is whole: what the test before broke may have cost it its leader."""
    cluster = Cluster(lab)
    until(lambda: cluster.all_ready() == "", "the swarm is whole")
    writer = Writer("one", "", "")
    return Breaker(Scenario(lab, cluster, Stacks(lab, cluster, (), {}, {}, {})), (writer,))


def reached(lab: Lab, likely: set[str]) -> set[str]:
    """What the node can open a connection to; what is likely is tried anew until it can: packets may be lost."""
    ports = {name: (lab.node(name).address, 2377) for name in ("swarm02", "swarm03")}
    ports["storage"] = (lab.spec.gateway, HOST_PORT)
    once = "timeout 3 bash -c 'exec 3<>/dev/tcp/{}/{}'"
    often = f"for try in $(seq 20); do {once} && exit; done; exit 1"
    scripts = {name: (often if name in likely else once).format(*place) for name, place in ports.items()}
    return {name for name, script in scripts.items() if lab.exec(NODE, ["sh", "-c", script]).returncode == 0}


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("deaf", set()),
        ("mute", set()),
        ("cut-from-managers", {"storage"}),
        ("cut-from-next", {"swarm03", "storage"}),
        ("cut-from-storage", {"swarm02", "swarm03"}),
        ("loss", ALL),
        ("delay", ALL),
    ],
)
def test_a_node_reaches_what_the_fault_leaves_and_after_the_cure_all(
    lab: Lab, breaker: Breaker, name: str, left: set[str]
) -> None:
    FAULTS[name].act(breaker, NODE)
    FAULTS[name].act(breaker, NODE)  # twice, as an episode may
    try:
        assert reached(lab, left) == left
    finally:
        FAULTS[name].cure(breaker, NODE)
    FAULTS[name].cure(breaker, NODE)
    assert "chaos" not in sh(lab, NODE, "iptables -t raw -S; iptables -t mangle -S")
    assert reached(lab, ALL) == ALL


def test_an_answer_comes_late_and_whole(lab: Lab, breaker: Breaker) -> None:
    """A megabyte, so that segments and checksums that the kernel left to others are in it."""
    send = f"head -c 1000000 /dev/zero | timeout 30 bash -c 'cat >/dev/tcp/{lab.node('swarm02').address}/7777'"
    hear = lab.exec_command("swarm02", ["python3", "-c", HEAR])
    FAULTS["delay"].act(breaker, NODE)
    try:
        began = time.monotonic()
        with subprocess.Popen(hear, stdout=subprocess.PIPE) as heard:
            until(lambda: ":1E61 " in sh(lab, "swarm02", "cat /proc/net/tcp"), "somebody listens")
            sh(lab, NODE, send)
            assert heard.communicate(timeout=30)[0] == b"1000000\n"
        assert time.monotonic() - began > 2 * DELAY
    finally:
        FAULTS["delay"].cure(breaker, NODE)
    assert not network.exists(f"{breaker.layout.veth(NODE)}a")


def test_some_packets_are_lost(lab: Lab, breaker: Breaker) -> None:
    FAULTS["loss"].act(breaker, NODE)
    FAULTS["loss"].act(breaker, NODE)
    try:
        assert sh(lab, NODE, "iptables -t mangle -S chaos-loss").count("DROP") == 1
        sh(lab, NODE, f"for n in $(seq 60); do echo x >/dev/udp/{lab.spec.gateway}/9; done".join(("bash -c '", "'")))
        counted = sh(lab, NODE, "iptables -t mangle -L chaos-loss -nvx | awk '/DROP/ {print $1}'")
    finally:
        FAULTS["loss"].cure(breaker, NODE)
    assert int(counted) >= 1


def test_a_node_leaves_and_joins_again_as_a_manager_without_its_old_self(lab: Lab, breaker: Breaker) -> None:
    before = breaker.scenario.cluster.node_api("swarm03").info()["Swarm"]["NodeID"]
    FAULTS["rejoin"].act(breaker, "swarm03")
    assert breaker.scenario.cluster.node_api("swarm03").info()["Swarm"]["LocalNodeState"] == "inactive"
    FAULTS["rejoin"].cure(breaker, "swarm03")

    until(lambda: set(states(lab).values()) == {"ready"}, "all nodes are ready")
    nodes = breaker.scenario.cluster.nodes()
    assert len(nodes) == 3
    assert before not in {node["ID"] for node in nodes}
    until(lambda: breaker.scenario.cluster.all_ready() == "", "it is a manager")


def test_the_leader_of_that_moment_loses_its_power_and_gets_it_back(lab: Lab, breaker: Breaker) -> None:
    leader = breaker.scenario.cluster.leader()
    FAULTS["leader-off"].act(breaker, NODE)
    assert lab.power(leader) == "off"
    FAULTS["leader-off"].cure(breaker, NODE)
    assert lab.power(leader) == "on"


@pytest.mark.parametrize("fstype", ["ext4", "xfs"])
@pytest.mark.parametrize("name", ["disk-error", "disk-read-only"])
def test_a_file_system_takes_nothing_more_and_has_what_was_synced(
    lab: Lab, breaker: Breaker, name: str, fstype: str
) -> None:
    disk = make_disk(lab, f"{breaker.writers[0].volume}-1", 320 * 2**20)
    ask(lab, "attach", NODE, disk)
    mount(lab, NODE, disk, fstype)
    sh(lab, NODE, "echo kept >/run/disk/a && sync /run/disk/a")
    FAULTS[name].act(breaker, NODE)

    assert lab.exec(NODE, ["sh", "-c", "echo more >/run/disk/b && sync /run/disk/b"]).returncode != 0
    sh(lab, NODE, "umount /run/disk")
    mount(lab, NODE, disk, fstype, make=False)
    assert sh(lab, NODE, "cat /run/disk/a") == "kept\n"
    sh(lab, NODE, "umount /run/disk")


def test_a_volume_is_full_to_the_last_byte_and_then_has_room(lab: Lab, breaker: Breaker) -> None:
    disk = make_disk(lab, f"{breaker.writers[0].volume}-1")
    ask(lab, "attach", NODE, disk)
    mount(lab, NODE, disk, "ext4")
    FAULTS["volume-full"].act(breaker, NODE)
    write = ["sh", "-c", "head -c 4096 /dev/zero >/run/disk/a"]

    assert lab.exec(NODE, write).returncode != 0
    FAULTS["volume-full"].cure(breaker, NODE)
    assert lab.exec(NODE, write).returncode == 0
    sh(lab, NODE, "umount /run/disk")


def test_the_lab_is_told_the_truth_while_its_storage_forgets(lab: Lab, breaker: Breaker) -> None:
    disk = make_disk(lab, "there")
    ask(lab, "attach", NODE, disk)
    FAULTS["storage-forgets"].act(breaker, NODE)
    try:
        assert listed(lab) == {disk: lab.node(NODE).vm}
    finally:
        FAULTS["storage-forgets"].cure(breaker, NODE)
