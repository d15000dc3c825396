"""The machine host on real loop devices and mounts: what docs/lab-host.md promises."""

from __future__ import annotations

import filecmp
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from deploy.lab.kernel import processes
from deploy.lab.lab import Lab
from deploy.lab.names import LabError, Layout
from tests.conformance.lab_rig import kill_host
from tests.support.labs import BY_ID, MIB, ask, listed, loop_disks, make_disk, mount, sh, until, vm


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


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Bearer wröng"], ids=["none", "empty", "wrong", "odd"])
async def test_only_who_knows_the_token_may_ask(lab: Lab, token: str) -> None:
    headers = {"Authorization": token.encode().decode("latin-1")} if token else {}
    async with aiohttp.ClientSession(lab.host.url, headers=headers) as session:
        for path in ("/v1/vms", "/v1/attachments", "/control/swarm01/power"):
            async with session.get(path) as response:
                assert response.status == 401


async def test_who_knows_the_token_may_not_press_what_only_the_lab_may(lab: Lab) -> None:
    headers = {"Authorization": f"Bearer {lab.host.token_file.read_text().strip()}"}
    async with aiohttp.ClientSession(lab.host.url, headers=headers) as session:
        async with session.post("/control/swarm01/freeze") as response:
            assert response.status == 404
        async with session.get("/v1/vms") as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "why"),
    [
        ("PUT", "/v1/disks/..%2Fdisk", {"size_bytes": 512}, "no name for a disk"),
        ("PUT", "/v1/disks/disk", {"size_bytes": 0}, "multiple of 512"),
        ("PUT", "/v1/disks/disk", {"size_bytes": 100}, "multiple of 512"),
        ("PUT", "/v1/disks/disk", {"size_bytes": 2**60}, "No room"),
        ("PUT", "/v1/disks/disk", {"size": 512}, "size"),
        ("POST", "/v1/vms/nobody/attach", {"disks": [], "epoch": 1}, "no machine"),
        ("POST", "/v1/vms/swarm01/attach", {"disks": []}, "epoch"),
        ("POST", "/control/swarm01/explode", None, "power-off"),
    ],
    ids=["name", "no size", "odd size", "too big", "wrong key", "unknown machine", "no epoch", "unknown button"],
)
def test_a_call_that_cannot_be_is_refused_with_the_reason(
    lab: Lab, method: str, path: str, body: object, why: str
) -> None:
    with pytest.raises(LabError, match=why):
        lab.host.call(method, path, body)


def test_more_disks_than_a_machine_can_have_are_refused(lab: Lab) -> None:
    disks = [make_disk(lab, f"d{number}", MIB) for number in range(66)]
    assert ask(lab, "attach", "swarm01", *disks) == ["done"] * 64 + ["refused"] * 2
    assert ask(lab, "detach", "swarm01", *disks) == ["done"] * 66
    assert loop_disks(lab) == {}


def copiers(lab: Lab) -> list[int]:
    """The programs that copy images in this lab's pool."""
    pool = str(Layout(lab.spec.name).pool).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"cp") and any(word.startswith(pool) for word in words):
                found.append(int(process.name))
    return found


def test_a_disk_that_is_being_copied_is_neither_attached_nor_deleted(lab: Lab) -> None:
    size, piece = 768 * MIB, os.urandom(MIB)
    disk = make_disk(lab, "d1", size)
    image = Layout(lab.spec.name).pool / f"{disk}.img"
    with image.open("r+b") as file:
        for _ in range(size // MIB):
            file.write(piece)
    body = {"size_bytes": size, "copy_of": disk}
    with ThreadPoolExecutor(1) as pool:
        copying = pool.submit(lab.host.call, "PUT", "/v1/disks/d2", body)
        while not (stopped := copiers(lab)):
            assert not copying.done(), "it was over before it was seen"
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert ask(lab, "attach", "swarm01", disk) == ["refused"]
            with pytest.raises(LabError, match="is being copied"):
                lab.host.call("DELETE", f"/v1/disks/{disk}")
            assert [each["id"] for each in cast("list[dict[str, str]]", lab.host.call("GET", "/v1/disks"))] == [disk]
            assert not copying.done()
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        copying.result(60)
    assert filecmp.cmp(image.with_name("d2.img"), image, shallow=False)
    assert ask(lab, "attach", "swarm01", disk, "d2") == ["done", "done"]


def test_a_copy_of_another_size_than_its_source_is_refused(lab: Lab) -> None:
    disk = make_disk(lab, "d1")
    with pytest.raises(LabError, match="with 67108864 bytes, not 512"):
        lab.host.call("PUT", "/v1/disks/d2", {"size_bytes": 512, "copy_of": disk})
