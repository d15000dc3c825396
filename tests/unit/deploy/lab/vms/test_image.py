"""The pure parts of the lab of virtual machines."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from deploy.lab.names import LabError, LabNode
from deploy.lab.vms import shell
from deploy.lab.vms.cpio import Cpio
from deploy.lab.vms.domain import Place, domain
from deploy.lab.vms.image import Base
from deploy.lab.vms.snapshot import Meta, Snapshot, replaced

NODE = LabNode("swarm01", "10.91.0.11", "8d4f2c1e-0000-4000-8000-000000000001", manager=True, socket=Path("/s"))
PLACE = Place(Path("/v/disk"), Path("/v/kernel.log"), Path("/v/dockerd.log"), "rblabc", "rblabcn01")
BASE = Base("key", Path("/c/base"), Path("/c/vmlinuz"), Path("/c/initrd"))


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
