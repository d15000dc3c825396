"""Each arrangement is settings that the controllers and the drivers take."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from controller.model import FencePolicy
from controller.settings import parse
from deploy.drill.cli import complete
from deploy.drill.labs.arrangement import BASE, BMCS, FILES, LIBVIRT, RBD, Arrangement, Places, settings_of, variables
from deploy.drill.settings import DrillSettings
from drivers.libvirt.settings import Settings

PLACES = Places(
    uri="qemu+tls://10.91.0.1/system",
    monitor="10.91.0.1:3300",
    secret="5c6b8a52-3f0e-4a36-9d0c-7f1f0a1c2e11",
    redfish="https://10.91.0.1:8000",
    ipmi=[("10.91.0.1", 6230), ("10.91.0.1", 6231)],
    vms=["00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeef0"],
)


@pytest.mark.parametrize("storage", [FILES, RBD])
@pytest.mark.parametrize("power", [LIBVIRT, *BMCS])
def test_an_arrangement_is_settings_that_the_controller_takes(storage: str, power: str) -> None:
    found = parse(settings_of(Arrangement(storage, power, "power-off"), PLACES), {})

    own = Settings.parse(found.storage.own())
    assert (own.rbd is not None) == (storage == RBD)
    assert found.power.driver == (None if power == LIBVIRT else power)
    assert found.policy.fence is FencePolicy.POWER_OFF


def test_by_redfish_one_bmc_has_all_machines_and_by_ipmi_each_has_its_own() -> None:
    redfish, ipmi = (
        tomllib.loads(settings_of(Arrangement(FILES, power), PLACES))["power"][power]["machines"] for power in BMCS
    )

    assert redfish == [{"url": "https://10.91.0.1:8000"}]
    assert [(each["vm"], each["port"]) for each in ipmi] == list(zip(PLACES.vms, (6230, 6231), strict=True))


def test_a_lab_is_saved_as_the_usual_drill_wants_it() -> None:
    usual = complete(DrillSettings(lab="vms"))

    assert Arrangement.of(usual) == BASE
    assert Arrangement.of(complete(replace(DrillSettings(lab="vms"), power="ipmi"))).fence == "power-off"


def test_a_secret_with_a_name_of_its_own_is_named_to_the_stack_file() -> None:
    assert variables({"reberth-config": "reberth-config-1", "reberth-power-ca": "ca-2"}) == {
        "REBERTH_CONFIG": "reberth-config-1",
        "REBERTH_POWER_CA": "ca-2",
    }
