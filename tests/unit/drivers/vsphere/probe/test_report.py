"""What is in a report, and what is not."""

from __future__ import annotations

from uuid import UUID

import pytest

from drivers.vsphere.inventory import Controller, Disk, File, Place, Vm
from drivers.vsphere.probe.report import Names, machine, scratch_vm

SALT = UUID(int=7)
PLACE = Place("datastore-1", "SAN gold", "reberth")
REAL = "42312a8b-1111-2222-3333-444455556666"


def vm(**changes: object) -> Vm:
    disk = Disk(2001, 1000, 3, (File("datastore-1", "reberth/payroll-01.vmdk"),), uuid="6000C29", capacity_kib=1024)
    given: dict[str, object] = {
        "ref": "vm-1",
        "name": "payroll-db",
        "uuid": REAL,
        "disks": (disk,),
        "controllers": (Controller(1000, 0, True, frozenset()),),
    }
    return Vm(**(given | changes))  # type: ignore[arg-type]


def test_a_machine_is_told_with_its_slots_and_without_a_name_or_an_id_of_the_site() -> None:
    told = machine(vm(), PLACE, Names(SALT))
    (slot,) = told.disks
    assert (slot.bus, slot.unit, slot.ours, slot.has_uuid) == (0, 3, "volume01", True)
    assert not any(real in repr(told) for real in ("payroll", REAL, "SAN gold", "6000C29"))


def test_one_thing_has_one_name_in_a_report_and_another_in_the_next() -> None:
    names, others = Names(SALT), Names(UUID(int=8))
    assert names.uuid(REAL) == names.uuid(REAL.upper()) != others.uuid(REAL)
    assert names.name("vm", "b") == names.name("vm", "b") == "vm01"
    assert names.name("vm", "a") == "vm02"


@pytest.mark.parametrize("secret", ["payroll-db", "10.1.2.3", "esx7.corp.example.com", "fe80:0:0:0:1:2:3:4", REAL])
def test_what_a_server_says_is_told_without_names_addresses_and_ids(secret: str) -> None:
    names = Names(SALT)
    names.name("vm", "payroll-db")
    assert secret not in names.scrub(f"Failed to lock the file: {secret} has it")


@pytest.mark.parametrize("wanted", ["payroll-db", REAL.upper()])
def test_a_vm_with_a_volume_is_no_scratch_vm_by_either_of_its_names(wanted: str) -> None:
    assert "no node" in str(scratch_vm([vm()], wanted, PLACE))
    assert "no node" in str(scratch_vm([vm(disks=(), extra={"reberth.vm": REAL})], wanted, PLACE))
    free = vm(disks=())
    assert scratch_vm([free], wanted, PLACE) is free


def test_a_scratch_vm_must_be_one() -> None:
    assert "0 VMs" in str(scratch_vm([], "x", PLACE))
    twin = vm(ref="vm-2", name="other", disks=())
    assert "another VM's too" in str(scratch_vm([vm(disks=()), twin], "payroll-db", PLACE))
