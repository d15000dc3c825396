"""The command's options, and what of them goes together."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.drill.cli import app, check, complete, options
from deploy.drill.errors import DrillError
from deploy.drill.faults.catalogue import FAULTS
from deploy.drill.settings import DrillSettings

VMS = DrillSettings(lab="vms")


def test_each_choice_of_the_settings_is_an_option_of_the_command() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output

    assert {each.name for each in fields(DrillSettings)} - {each.name for each in options()} == {"steady", "proxy"}
    for each in (*options(), "json"):
        assert f"--{str(getattr(each, 'name', each)).replace('_', '-')}" in shown


def test_an_option_has_the_value_that_the_command_was_given() -> None:
    """The refusal names it, so it has arrived as what it is."""
    refused = CliRunner().invoke(app, ["--fault", "flood", "--repeat", "2", "--all-steps", "--keep"])

    assert refused.exit_code == 2
    assert "--fault is 'flood'; choose one of" in refused.output


def test_a_number_below_the_least_is_refused() -> None:
    refused = CliRunner().invoke(app, ["--managers", "2"])

    assert refused.exit_code == 2
    assert "--managers" in refused.output


def test_what_goes_with_a_lab_is_filled_in_and_what_was_chosen_stays() -> None:
    usual, chosen = complete(VMS), complete(replace(VMS, name="mine", subnet="10.1.1.0/24"))

    assert (usual.name, usual.subnet, usual.storage) == ("vms", "10.91.0.0/24", "libvirt")
    assert (chosen.name, chosen.subnet) == ("mine", "10.1.1.0/24")
    assert complete(DrillSettings()).report == Path.cwd() / "drill-report"


@pytest.mark.parametrize("option", ["fault", "lab", "storage", "target"])
def test_an_unknown_choice_names_the_option_and_the_choices(option: str) -> None:
    with pytest.raises(DrillError, match=f"--{option} is 'x'; choose one of"):
        check(complete(replace(DrillSettings(), **{option: "x"})))  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", sorted(name for name, each in FAULTS.items() if each.storage == "vsphere"))
def test_a_fault_of_vcenter_is_refused_before_a_lab_is_made_that_has_none(fault: str) -> None:
    with pytest.raises(DrillError, match=f"--fault {fault} goes with --storage vsphere"):
        check(complete(DrillSettings(fault=fault)))
    check(complete(DrillSettings(fault=fault, storage="vsphere")))


def test_strangers_are_refused_where_no_vcenter_is_that_could_have_them() -> None:
    with pytest.raises(DrillError, match="--strangers goes with --storage vsphere"):
        check(complete(DrillSettings(strangers=1)))
    check(complete(DrillSettings(storage="vsphere", strangers=1)))


def test_a_fault_that_stops_controllers_at_their_calls_needs_the_labs_own_storage() -> None:
    with pytest.raises(DrillError, match="--fault leader-kill goes with --storage lab"):
        check(complete(DrillSettings(fault="leader-kill", storage="vsphere")))


def test_only_drills_that_stop_controllers_stand_between_them_and_storage() -> None:
    assert complete(DrillSettings(fault="leader-kill:before:detach")).proxy
    assert complete(DrillSettings(fault="leader-lost")).proxy
    assert not complete(DrillSettings(fault="power-off")).proxy


def test_a_step_that_cannot_be_is_refused_before_anything_is_made() -> None:
    with pytest.raises(DrillError, match="choose one of"):
        check(complete(DrillSettings(fault="leader-kill:before:lunch")))


def test_all_steps_go_with_one_fault_alone() -> None:
    check(complete(DrillSettings(fault="leader-kill", all_steps=True)))
    with pytest.raises(DrillError, match="--all-steps goes with --fault leader-kill"):
        check(complete(DrillSettings(fault="power-off", all_steps=True)))


@pytest.mark.parametrize("fault", [name for name, each in FAULTS.items() if "vms" in each.labs])
def test_a_lab_of_virtual_machines_has_its_own_faults(fault: str) -> None:
    check(complete(replace(VMS, fault=fault)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (replace(VMS, fault="freeze"), "--lab vms has: .*hang"),
        (replace(VMS, workers=1), "has no workers"),
        (replace(VMS, storage="vsphere"), "choose one of libvirt"),
        (DrillSettings(fault="hang"), "needs --lab vms"),
    ],
)
def test_what_a_kind_of_lab_cannot_do_is_said_with_what_it_can(settings: DrillSettings, sentence: str) -> None:
    with pytest.raises(DrillError, match=sentence):
        check(complete(settings))
