"""The lab on real dockerds, loop devices and mounts: what docs/lab-api.md and docs/lab-host.md promise."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any, cast

import pytest

from deploy.lab import loops, processes, swarm
from deploy.lab.lab import Lab
from deploy.lab.names import LabError, LabSpec, Layout
from tests.conformance.lab_rig import kill_host, reset
from tests.labs import shared_lab, spec

MIB = 2**20
BY_ID = "/dev/disk/by-id/reberth-lab-"


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = shared_lab()
    reset(made)
    for node in made.nodes:
        swarm.wait_for_dockerd(Layout(made.spec.name), node)
    yield made
    reset(made)


def vm(lab: Lab, node: str) -> str:
    return lab.node(node).vm


def ask(lab: Lab, act: str, node: str, *disks: str, epoch: int = 1) -> list[str]:
    """Attach or detach; the outcomes."""
    answers = lab.host.call("POST", f"/v1/vms/{vm(lab, node)}/{act}", {"disks": disks, "epoch": epoch})
    return [answer["outcome"] for answer in cast("list[dict[str, str]]", answers)]


def make_disk(lab: Lab, name: str, size: int = 64 * MIB) -> str:
    lab.host.call("PUT", f"/v1/disks/{name}", {"size_bytes": size})
    return name


def sh(lab: Lab, node: str, script: str) -> str:
    done = lab.exec(node, ["sh", "-ec", script])
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(holds: Callable[[], Any], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)


def states(lab: Lab, manager: str = "swarm01") -> dict[str, str]:
    with closing(lab.docker(manager)) as client:
        return {node.attrs["Description"]["Hostname"]: node.attrs["Status"]["State"] for node in client.nodes.list()}


def loop_disks(lab: Lab) -> dict[str, str]:
    """Disk -> VM, as the kernel's loop devices say."""
    return {image.stem: image.parent.name for image in loops.backed_under(Layout(lab.spec.name).machines)}


def listed(lab: Lab) -> dict[str, str]:
    return {held["disk"]: held["vm"] for held in cast("list[dict[str, str]]", lab.host.call("GET", "/v1/attachments"))}


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


def busybox() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
    return buffer.getvalue()


def test_a_disk_appears_in_the_dev_of_the_node_that_has_it_and_in_no_other(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    assert ask(lab, "attach", "swarm02", disk) == ["done"]
    device = sh(lab, "swarm02", f"readlink -f {BY_ID}{disk}").strip()
    assert sh(lab, "swarm02", f"blockdev --getsize64 {device}").strip() == str(64 * MIB)
    for other in ("swarm01", "swarm03"):
        assert sh(lab, other, f"ls {BY_ID}{disk} {device} 2>/dev/null || echo none").strip() == "none"
    assert ask(lab, "detach", "swarm02", disk) == ["done"]
    assert sh(lab, "swarm02", f"ls {BY_ID}{disk} {device} 2>/dev/null || echo none").strip() == "none"
    assert loop_disks(lab) == {}


def test_a_disk_is_on_one_machine_at_most(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    assert ask(lab, "attach", "swarm01", disk) == ["done"]
    assert ask(lab, "attach", "swarm02", disk, epoch=9) == ["refused"]
    assert loop_disks(lab) == {disk: vm(lab, "swarm01")}


def test_a_call_under_an_epoch_that_is_over_is_refused(lab: Lab) -> None:
    one, two = make_disk(lab, "d1"), make_disk(lab, "d2")
    assert ask(lab, "attach", "swarm01", one, epoch=5) == ["done"]
    assert ask(lab, "attach", "swarm01", two, epoch=4) == ["refused"]
    assert ask(lab, "detach", "swarm01", one, epoch=4) == ["refused"]
    with pytest.raises(LabError, match="Epoch 4 is over"):
        lab.host.call("POST", f"/v1/vms/{vm(lab, 'swarm01')}/power-off", {"epoch": 4})
    assert lab.power("swarm01") == "on"
    assert listed(lab) == {one: vm(lab, "swarm01")}


def test_a_disk_that_the_running_node_has_mounted_is_not_detached(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    ask(lab, "attach", "swarm01", disk)
    mount(lab, "swarm01", disk, "ext4")
    assert ask(lab, "detach", "swarm01", disk) == ["refused"]
    sh(lab, "swarm01", "echo still > /run/disk/here && sync && umount /run/disk")
    assert ask(lab, "detach", "swarm01", disk) == ["done"]


def test_a_disk_that_a_process_has_open_is_not_detached_and_stays_usable(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    ask(lab, "attach", "swarm01", disk)
    sh(lab, "swarm01", f"sleep 600 < {BY_ID}{disk} >/dev/null 2>&1 & echo $! > /run/sleeper")
    assert ask(lab, "detach", "swarm01", disk) == ["refused"]
    sh(lab, "swarm01", f"test -b {BY_ID}{disk}; kill $(cat /run/sleeper)")
    until(lambda: ask(lab, "detach", "swarm01", disk) == ["done"], "detached after its last user ended")


def mount(lab: Lab, node: str, disk: str, fstype: str, make: bool = True) -> None:
    if make:
        sh(lab, node, f"mkfs.{fstype} -q {BY_ID}{disk}")
    sh(lab, node, f"mkdir -p /run/disk && mount {BY_ID}{disk} /run/disk")


@pytest.mark.parametrize("fstype", ["ext4", "xfs"])
def test_a_power_off_loses_what_was_not_synced_and_keeps_what_was(lab: Lab, fstype: str) -> None:
    disk = make_disk(lab, f"power-{fstype}", 400 * MIB)
    ask(lab, "attach", "swarm02", disk)
    mount(lab, "swarm02", disk, fstype)
    sh(lab, "swarm02", "printf %01048576d 7 > /run/disk/kept && sync && printf %01048576d 7 > /run/disk/lost")
    lab.power_off("swarm02")
    assert loop_disks(lab) == {}
    assert ask(lab, "detach", "swarm02", disk) == ["done"]
    assert ask(lab, "attach", "swarm01", disk) == ["done"]
    mount(lab, "swarm01", disk, fstype, make=False)
    found = sh(lab, "swarm01", "cd /run/disk; wc -c < kept; cat lost 2>/dev/null | tr -d '\\0' | wc -c").split()
    sh(lab, "swarm01", "umount /run/disk")
    assert found == [str(MIB), "0"]


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


def test_nodes_and_disks_outlive_the_machine_host(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    ask(lab, "attach", "swarm01", disk)
    inits = [processes.node_init(lab.spec.name, node.name) for node in lab.nodes]
    kill_host(lab)
    with pytest.raises(LabError, match="lab up"):
        lab.power("swarm01")
    lab.host.start()
    assert [processes.node_init(lab.spec.name, node.name) for node in lab.nodes] == inits
    assert listed(lab) == loop_disks(lab) == {disk: vm(lab, "swarm01")}


def test_a_machine_host_killed_in_the_middle_of_work_leaves_attachments_that_equal_the_loop_devices(lab: Lab) -> None:
    disks = [make_disk(lab, f"d{number}", MIB) for number in range(12)]
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02):
        kill_in_the_middle(lab, disks, delay)
        lab.host.start()
        assert listed(lab) == loop_disks(lab)
        seen = sh(lab, "swarm01", "ls /dev/disk/by-id").split()
        assert sorted(seen) == sorted(f"reberth-lab-{disk}" for disk in listed(lab))
        ask(lab, "detach", "swarm01", *disks)


def kill_in_the_middle(lab: Lab, disks: list[str], delay: float) -> None:
    def call() -> None:
        with suppress(OSError, LabError):  # that is the point
            ask(lab, "attach", "swarm01", *disks)

    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(delay)
    kill_host(lab)
    caller.join()


def test_down_leaves_nothing_although_the_machine_host_was_killed_and_a_disk_is_mounted() -> None:
    wanted = spec("d", 1, managers=1)
    try:
        made = Lab.up(wanted)
        disk = make_disk(made, "d1")
        ask(made, "attach", "swarm01", disk)
        mount(made, "swarm01", disk, "ext4")
        kill_host(made)
        made.down()
        assert Lab.leftovers(wanted.name) == ()
        made.down()
    finally:
        Lab.remove(wanted.name)


class Interrupt(Exception):
    pass


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_down_leaves_nothing_of_a_lab_that_was_interrupted_on_its_way_up(step: int) -> None:
    wanted = spec("i", 2, managers=1)
    steps = iter(range(10))

    def progress(_: str) -> None:
        if next(steps) == step:
            raise Interrupt

    try:
        with pytest.raises(Interrupt):
            Lab.up(wanted, progress)
        assert Lab.leftovers(wanted.name) != ()
    finally:
        Lab.remove(wanted.name)
    assert Lab.leftovers(wanted.name) == ()


def test_down_works_without_the_records_of_the_lab() -> None:
    wanted = spec("r", 3, managers=1)
    try:
        Lab.up(wanted)
        Layout(wanted.name).record.unlink()
    finally:
        Lab.remove(wanted.name)
    assert Lab.leftovers(wanted.name) == ()


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
