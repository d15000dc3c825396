"""The probe against the simulator, and its report as the simulator's inventory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from controller.cli.app import load
from controller.model import VmId
from drivers.base import Done
from drivers.vsphere import create
from drivers.vsphere.probe import probe
from drivers.vsphere.probe.report import Report
from drivers.vsphere.settings import Settings
from reberth.testing.asking import ONE, held, new_disk
from tests.conformance.vsphere_rig import VsphereFaultsRig
from tests.vcsim.loading import loaded
from tests.vcsim.server import DATASTORE, PASSWORD, USER


async def ask(rig: VsphereFaultsRig, scratch: str | None = None) -> Report:
    return await probe(Settings.parse(rig.simulator.settings()), "0", scratch)


def said(report: Report, name: str) -> str:
    return next(step.said for step in report.steps if step.name == name)


async def test_a_probe_changes_nothing_and_tells_no_name_of_the_site() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        await rig.fault("calls")
        report = await ask(rig)
        assert [step.name for step in report.steps if not step.ok] == []
        called = {line.split()[0] for line in (await rig.fault("calls")).splitlines()}
        assert not called & {"ReconfigVM_Task", "CreateVirtualDisk_Task", "MakeDirectory", "CreateSnapshot_Task"}
        text = msgspec.json.encode(report).decode()
        real = [rig.admin.name(vm), vm, DATASTORE, USER, PASSWORD, "127.0.0.1", *rig.admin.hosts()]
        assert [each for each in real if each in text] == []


async def test_a_report_loads_into_the_simulator_which_then_shows_the_same() -> None:
    async with VsphereFaultsRig() as rig:
        one, two = await new_disk(rig, "one"), await new_disk(rig, "two")
        vm, other, third = await rig.add_vm(), await rig.add_vm(), await rig.add_vm()
        await rig.driver.attach([one, two], vm, ONE)
        await rig.fault("empty", vm=rig.admin.name(other))
        await rig.fault("host", name=rig.admin.host(third), state="notResponding")
        before = await rig.driver.list_attachments()
        report = await ask(rig)
    with loaded(report) as simulator:
        driver = create(simulator.settings())
        after = await driver.list_attachments()
        await driver.close()
    assert len({each.vm for each in after.attachments}) == 1
    assert len(after.attachments) == len(before.attachments) == 2
    assert len(after.unread) == len(before.unread) == 1
    assert before.power is not None
    assert after.power is not None
    assert sorted(each.value for each in after.power.values()) == sorted(each.value for each in before.power.values())


async def test_a_scratch_vm_is_left_as_it_was_and_each_step_is_told() -> None:
    async with VsphereFaultsRig() as rig:
        vm = await rig.add_vm()
        disks = rig.admin.disks(vm)
        report = await ask(rig, rig.admin.name(vm))
        assert (said(report, "detach"), said(report, "cleared: delete")) == (f"[{Done()}]", str(Done()))
        assert said(report, "copy") == "made; 1 found; its UUID is its own"
        assert (await ask(rig, vm)).steps[-1].ok
        assert "detach under a snapshot" in {step.name for step in report.steps}
        assert rig.admin.disks(vm) == disks
        assert await rig.driver.keys("probe-") == []
        assert rig.admin.vm(vm).snapshot.currentSnapshot is None


async def test_a_node_is_never_taken_as_scratch_vm() -> None:
    async with VsphereFaultsRig() as rig:
        disk, vm = await new_disk(rig), await rig.add_vm()
        await rig.driver.attach([disk], vm, ONE)
        report = await ask(rig, rig.admin.name(vm))
        assert "no node" in said(report, "scratch VM")
        assert await held(rig) == {(disk, VmId(vm))}


async def test_a_vcenter_that_lets_nobody_in_is_an_answer() -> None:
    async with VsphereFaultsRig() as rig:
        settings = Settings.parse(rig.simulator.settings(datacenter="Nowhere"))
        report = await probe(settings, "0", None)
        assert "no datacenter" in said(report, "login")
        assert report.machines == ()


def test_the_command_reads_the_controllers_settings_and_names_what_they_lack(tmp_path: Path) -> None:
    config = tmp_path / "reberth.toml"
    config.write_text('[storage]\ndriver = "lab"\n')
    found = CliRunner().invoke(load(), ["vsphere", "probe", "--config", str(config)])
    assert "no section [storage.vsphere]" in str(found.exception)


@pytest.mark.parametrize("out", [True, False])
async def test_the_command_writes_the_report_where_it_is_asked_to(tmp_path: Path, out: bool) -> None:
    async with VsphereFaultsRig() as rig:
        config, target = tmp_path / "reberth.toml", tmp_path / "report.json"
        lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in rig.simulator.settings().items()]
        config.write_text("[storage.vsphere]\n" + "\n".join(lines))
        words = ["vsphere", "probe", "--config", str(config), *(["--out", str(target)] if out else [])]
        found = await asyncio.to_thread(CliRunner().invoke, load(), words)
        assert found.exit_code == 0
        text = target.read_text() if out else found.stdout
        assert len(msgspec.json.decode(text, type=Report).machines) == 3
