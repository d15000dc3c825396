"""The pure parts of the lab of virtual machines."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from deploy.drill.catalogue import ON_MACHINES, rounds
from deploy.drill.cli import check
from deploy.drill.ground import DrillError, DrillSettings
from deploy.drill.machines import judge
from deploy.drill.story import ROWS
from deploy.drill.story import judge as judge_story
from deploy.lab.names import LabError, LabNode
from deploy.lab.vms import shell
from deploy.lab.vms.cpio import Cpio
from deploy.lab.vms.domain import Place, domain
from deploy.lab.vms.image import Base
from deploy.lab.vms.snapshot import Meta, Snapshot, replaced

NODE = LabNode("swarm01", "10.91.0.11", "8d4f2c1e-0000-4000-8000-000000000001", manager=True, socket=Path("/s"))
PLACE = Place(Path("/v/disk"), Path("/v/kernel.log"), Path("/v/dockerd.log"), "rblabc", "rblabcn01")
BASE = Base("key", Path("/c/base"), Path("/c/vmlinuz"), Path("/c/initrd"))
VMS = replace(DrillSettings(), lab="vms", storage="libvirt")


def test_an_emulated_guest_has_a_processor_without_the_instruction_that_qemu_gets_wrong() -> None:
    guest = ET.fromstring(domain(NODE, PLACE, BASE, "lab.registry=r", kvm=False))  # noqa: S314

    assert guest.get("type") == "qemu"
    assert {feature.get("name") for feature in guest.iter("feature")} == {"cx16", "la57"}
    assert guest.findtext("uuid") == NODE.vm


def test_a_guest_that_the_processor_runs_has_that_processor() -> None:
    guest = ET.fromstring(domain(NODE, PLACE, BASE, "lab.registry=r", kvm=True))  # noqa: S314

    assert guest.get("type") == "kvm"
    assert next(guest.iter("cpu")).get("mode") == "host-passthrough"


def test_the_shell_of_a_guest_tells_code_output_and_errors_apart() -> None:
    command = ["sh", "-c", "echo out; echo 'an error' >&2; exit 3"]

    said = subprocess.run(["sh"], input=shell.script(command), capture_output=True, check=True).stdout
    done = shell.parse(said, command)

    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "an error\n")


@pytest.mark.parametrize("answer", [b"", b"0 5", b"0 5 0\nab", b"bash: no such thing\n"])
def test_an_answer_that_was_cut_off_is_no_answer(answer: bytes) -> None:
    with pytest.raises(LabError):
        shell.parse(answer, ["true"])


def test_an_initramfs_is_what_cpio_reads(tmp_path: Path) -> None:
    archive = Cpio()
    archive.folder("bin")
    archive.program("bin/odd", b"abc")
    archive.file("even", b"abcd")
    packed = tmp_path / "archive"
    packed.write_bytes(archive.end())

    listed = subprocess.run(["busybox", "cpio", "-t", "-F", packed], capture_output=True, text=True, check=True).stdout

    assert listed.split() == ["bin", "bin/odd", "even"]


def test_a_saved_lab_gets_the_folders_and_cables_of_the_lab_that_restores_it() -> None:
    text = "<source file='/store/one/disk'/><source bridge='rblone'/><target dev='rblonen01'/>"

    assert replaced(text, {"/store/one": "/store/two", "rblone": "rbltwo"}) == (
        "<source file='/store/two/disk'/><source bridge='rbltwo'/><target dev='rbltwon01'/>"
    )


def test_a_saved_lab_is_used_for_a_month_only(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path, "key")
    assert snapshot.meta(0.0) is None
    snapshot.folder.mkdir(parents=True)
    (snapshot.folder / "meta.json").write_text('{"made": 1000, "lab": "vms", "vms": ["a"], "password": "p"}')

    assert snapshot.meta(1000.0 + 29 * 86400) == Meta(1000, "vms", ("a",), "p")
    assert snapshot.meta(1000.0 + 31 * 86400) is None


def test_a_machine_that_hung_must_have_met_errors_and_its_postgresql_must_have_ended() -> None:
    met = "EXT4-fs error: Aborting journal on device sda-8."

    assert judge("exited, code 1", met) == ()
    assert judge("", met) == ("the PostgreSQL on the machine that hung did not end",)
    assert judge("exited, code 0", "eth0: link up") == (
        "the kernel of the machine that hung met no I/O error: it may have had a disk",
    )


def test_the_story_ends_well_only_with_the_rows_it_began_with() -> None:
    assert judge_story((0, "\n".join(ROWS) + "\n", "")) == ()
    assert judge_story((0, "1|Ada\n", "")) == ('the table "user" has other rows than before: 1|Ada',)
    assert judge_story((1, "", "no such table")) == ('the table "user" cannot be read: no such table',)


def test_the_return_of_a_machine_is_told_in_two_rounds() -> None:
    assert rounds(replace(VMS, fault="return", repeat=2)) == ("power-off", "return", "power-off", "return")


@pytest.mark.parametrize("fault", ON_MACHINES)
def test_a_lab_of_virtual_machines_has_its_own_faults(fault: str) -> None:
    check(replace(VMS, fault=fault))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (replace(VMS, fault="freeze"), "has these faults"),
        (replace(VMS, workers=1), "has no workers"),
        (replace(VMS, storage="vsphere"), "choose one of libvirt"),
        (DrillSettings(fault="hang"), "needs virtual machines: --lab vms"),
    ],
)
def test_what_a_kind_of_lab_cannot_do_is_said_with_what_it_can(settings: DrillSettings, sentence: str) -> None:
    with pytest.raises(DrillError, match=sentence):
        check(settings)
