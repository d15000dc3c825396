"""The lab on real dockerds: nodes, their power, their network, as docs/lab-api.md promises."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from deploy.lab import swarm
from deploy.lab.kernel import processes
from deploy.lab.lab import Lab
from deploy.lab.names import LabError, LabSpec, Layout
from tests.conformance.lab_rig import kill_host
from tests.support.labs import BY_ID, ask, busybox, listed, loop_disks, make_disk, mount, sh, states, until, vm


def test_the_swarm_has_three_ready_managers_that_know_each_other_by_the_lab_names(lab: Lab) -> None:
    swarm.wait_until_ready(lab.nodes[0], 3)
    with closing(lab.docker("swarm02")) as client:
        managers = {node.attrs["Description"]["Hostname"] for node in client.nodes.list(filters={"role": "manager"})}
    assert managers == {"swarm01", "swarm02", "swarm03"}


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = [processes.node_init(lab.spec.name, node.name) for node in lab.nodes]
    assert Lab.up(lab.spec) == lab
    assert [processes.node_init(lab.spec.name, node.name) for node in lab.nodes] == before


def test_up_with_other_settings_is_refused_with_the_cure(lab: Lab) -> None:
    other = LabSpec(name=lab.spec.name, managers=1, subnet=lab.spec.subnet, cache=lab.spec.cache)
    with pytest.raises(LabError, match="lab down"):
        Lab.up(other)


def test_a_lab_is_found_by_its_name_from_anywhere(lab: Lab) -> None:
    assert Lab.find(lab.spec.name) == lab
    assert Lab.find("no-such-lab") is None


def test_a_node_knows_which_machine_and_boot_it_is(lab: Lab) -> None:
    for node in lab.nodes:
        assert sh(lab, node.name, "hostname; cat /run/reberth-lab/vm-uuid").split() == [node.name, node.vm]
        assert len(sh(lab, node.name, "cat /run/reberth-lab/boot-id").strip()) == 36


def test_a_command_right_after_the_power_on_sees_the_node_alone(lab: Lab) -> None:
    """Its /run, its /dev, its data and its network: not the machine's, which a node that is starting still has."""
    look = """
        touch /run/here && for each in /run /dev /var/lib/docker; do mountpoint $each; done
        cat /proc/sys/net/ipv4/tcp_retries2; ip -o -4 address show eth0
    """
    for node in lab.nodes * 3:
        lab.power_off(node.name)
        lab.power_on(node.name)
        seen = sh(lab, node.name, look)
        assert node.address in seen
        assert "5" in seen.split()
        assert (Layout(lab.spec.name).node_run(node.name) / "here").exists()


def test_no_command_runs_in_a_node_that_is_starting(lab: Lab) -> None:
    lab.power_off("swarm03")
    booted = Layout(lab.spec.name).node_booted("swarm03")
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(lab.power_on, "swarm03")
        while not starting.done():
            with suppress(LabError):
                lab.exec_command("swarm03", ["true"])
                assert booted.exists()
        starting.result()
    assert sh(lab, "swarm03", "hostname").strip() == "swarm03"


def test_a_start_that_was_cut_off_is_begun_anew(lab: Lab) -> None:
    """The machine host died before the node had its network: no half node stays."""
    lab.power_off("swarm03")
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(lab.host.call, "POST", "/control/swarm03/power-on")
        while processes.node_init(lab.spec.name, "swarm03") is None:
            time.sleep(0.001)
        kill_host(lab)
        assert isinstance(starting.exception(), OSError | LabError)
    lab.host.start()
    lab.power_on("swarm03")
    assert lab.node("swarm03").address in sh(lab, "swarm03", "ip -o -4 address show eth0")


def test_a_container_runs_and_sees_the_identity_of_its_machine(lab: Lab) -> None:
    with closing(lab.docker("swarm01")) as client:
        client.api.import_image_from_data(busybox(), repository="busybox", tag="lab")
        output = client.containers.run(
            "busybox:lab",
            ["/bin/busybox", "cat", "/identity/vm-uuid"],
            volumes={"/run/reberth-lab": {"bind": "/identity", "mode": "ro"}},
            remove=True,
        )
    assert output.decode().strip() == vm(lab, "swarm01")


def test_nodes_pull_what_one_pushed_to_the_registry_of_the_lab(lab: Lab) -> None:
    name = f"{lab.registry}/busybox"
    with closing(lab.docker("swarm01")) as client:
        client.api.import_image_from_data(busybox(), repository=name, tag="1")
        assert "error" not in client.images.push(name, tag="1")
    with closing(lab.docker("swarm03")) as client:
        assert client.images.pull(name, tag="1").tags == [f"{name}:1"]


def test_a_power_off_ends_every_process_and_frees_the_disks_even_under_a_writer(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    ask(lab, "attach", "swarm03", disk)
    mount(lab, "swarm03", disk, "ext4")
    sh(lab, "swarm03", "(while :; do date > /run/disk/date; sync; done) >/dev/null 2>&1 &")
    init = processes.node_init(lab.spec.name, "swarm03")
    assert init is not None
    before = processes.members(init)
    assert len(before) > 3
    lab.power_off("swarm03")
    assert lab.power("swarm03") == "off"
    assert [pid for pid in before if processes.state(pid) not in {None, "Z", "X"}] == []
    assert loop_disks(lab) == {}
    assert listed(lab) == {disk: vm(lab, "swarm03")}


def test_a_node_that_is_on_again_is_a_new_boot_of_the_same_machine_with_its_disks_and_rejoins(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    ask(lab, "attach", "swarm03", disk)
    before = sh(lab, "swarm03", "touch /run/trace; cat /run/reberth-lab/boot-id")
    lab.power_off("swarm03")
    until(lambda: states(lab)["swarm03"] == "down", "the others see it down")
    lab.power_on("swarm03")
    swarm.wait_until_ready(lab.nodes[0], 3)
    assert sh(lab, "swarm03", "cat /run/reberth-lab/vm-uuid").strip() == vm(lab, "swarm03")
    assert sh(lab, "swarm03", "cat /run/reberth-lab/boot-id") != before
    assert sh(lab, "swarm03", f"test -b {BY_ID}{disk}; ls /run/trace 2>/dev/null || echo fresh").strip() == "fresh"
    assert len(states(lab)) == 3


def test_a_frozen_node_is_down_for_the_others_and_comes_back_as_it_was(lab: Lab) -> None:
    boot = sh(lab, "swarm03", "cat /run/reberth-lab/boot-id")
    lab.freeze("swarm03")
    assert lab.power("swarm03") == "frozen"
    until(lambda: states(lab)["swarm03"] == "down", "the others see it down")
    lab.thaw("swarm03")
    swarm.wait_until_ready(lab.nodes[0], 3)
    assert sh(lab, "swarm03", "cat /run/reberth-lab/boot-id") == boot


def test_a_frozen_node_can_be_switched_off(lab: Lab) -> None:
    lab.freeze("swarm03")
    lab.power_off("swarm03")
    assert lab.power("swarm03") == "off"


def test_a_node_cut_off_reaches_neither_the_others_nor_the_machine_host_and_still_obeys_its_power(lab: Lab) -> None:
    connect = f"timeout 2 bash -c '</dev/tcp/{lab.spec.gateway}/7070' 2>/dev/null && echo yes || echo no"
    assert sh(lab, "swarm03", connect).strip() == "yes"
    lab.cut("swarm03")
    assert sh(lab, "swarm03", connect).strip() == "no"
    until(lambda: states(lab)["swarm03"] == "down", "the others see it down")
    assert lab.power("swarm03") == "on"
    lab.heal("swarm03")
    swarm.wait_until_ready(lab.nodes[0], 3)
    assert sh(lab, "swarm03", connect).strip() == "yes"


def test_dockerd_comes_back_by_itself_when_it_is_killed(lab: Lab) -> None:
    before = sh(lab, "swarm03", "cat /run/docker.pid")
    sh(lab, "swarm03", f"kill -9 {before}")
    until(lambda: sh(lab, "swarm03", "cat /run/docker.pid || true") not in {before, ""}, "another dockerd runs")
    swarm.wait_for_dockerd(Layout(lab.spec.name), lab.node("swarm03"))


@pytest.mark.parametrize(
    ("bad", "cure"),
    [
        (LabSpec(name="Bad Name"), "name"),
        (LabSpec(managers=0), "at least one manager"),
        (LabSpec(heartbeat="soon"), "5s"),
        (LabSpec(subnet="10.0.0.0/33"), "subnet"),
        (LabSpec(subnet="10.0.0.0/28"), "/24"),
        (LabSpec(workers=100), "at most"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_with_the_cure(bad: LabSpec, cure: str) -> None:
    with pytest.raises(LabError, match=cure):
        Lab.up(bad)


def test_a_subnet_that_the_machine_uses_already_is_refused(lab: Lab) -> None:
    wanted = LabSpec(name=f"s{lab.spec.name}", subnet=lab.spec.subnet, cache=lab.spec.cache)
    try:
        with pytest.raises(LabError, match="--subnet"):
            Lab.up(wanted)
    finally:
        Lab.remove(wanted.name)


def test_a_machine_whose_first_process_dies_is_off_and_its_disks_are_free(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    ask(lab, "attach", "swarm03", disk)
    mount(lab, "swarm03", disk, "ext4")
    init = processes.node_init(lab.spec.name, "swarm03")
    assert init is not None
    processes.kill(init)
    until(lambda: lab.power("swarm03") == "off", "the machine host tidies it")
    assert loop_disks(lab) == {}
