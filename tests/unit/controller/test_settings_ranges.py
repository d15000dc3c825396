"""Each number that can be set, with what is refused: nothing that makes the product unsafe, busy or useless."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import pytest

from controller.environment import range_of
from controller.settings import SECTIONS, Settings, SettingsError, parse
from drivers import lab
from drivers.bmc import fence_agent, ipmi, redfish
from drivers.bmc.base import Timing
from drivers.bmc.base import parse as parse_bmc
from drivers.libvirt.rbd.settings import RbdSettings
from drivers.libvirt.settings import Settings as LibvirtSettings
from drivers.shared.settings import SettingsError as DriverSettingsError
from drivers.vsphere.settings import Settings as VsphereSettings

NEVER = (math.nan, math.inf, -math.inf, -1.0, -1e-9, 1e9, 1e308)
VSPHERE = {"host": "h", "user_file": "u", "password_file": "p", "datacenter": "d", "datastore": "s"}
RBD = {"monitors": ["m"], "keyring": "k", "secret": "11111111-2222-4333-8444-555555555555"}
DRIVERS: Mapping[str, tuple[type[msgspec.Struct], Callable[[Mapping[str, Any]], object]]] = {
    "vsphere": (VsphereSettings, lambda said: VsphereSettings.parse({**VSPHERE, **said})),
    "libvirt": (LibvirtSettings, lambda said: LibvirtSettings.parse({"uris": ["qemu+tls://k/system"], **said})),
    "rbd": (
        RbdSettings,
        lambda said: LibvirtSettings.parse({"uris": ["qemu+tls://k/system"], "rbd": {**RBD, **said}}),
    ),
    "bmc": (Timing, lambda said: parse_bmc(said, Timing)),
    "lab": (
        lab.LabSettings,
        lambda said: msgspec.convert({"url": "http://h", "token_file": "t", **said}, lab.LabSettings),
    ),
}
USELESS = {  # refused although they are numbers above 0, as the product would do nothing else, or not do its work
    "policy.gate_fresh": (1.0, 39.0),
    "policy.max_down_fraction": (0.0, 0.001, 1.5),
    "policy.detect_after": (0.0, 1.0, 601.0),
    "volumes.full": (0.0, 0.001, 1.5),
    "leadership.beat": (0.0, 0.001, 86_400.0),
    "leadership.patience": (0.0, 0.5, 86_400.0),
    "loop.resync": (0.0, 0.001, 86_400.0),
    "loop.attentive": (0.0, 0.001, 86_400.0),
    "loop.read_deadline": (0.0, 0.001, 31.0),
    "loop.call_deadline": (0.0, 0.001, 86_400.0),
    "loop.clone_deadline": (0.0, 1.0),
    "loop.backoff": (0.0, 0.001, 86_400.0),
    "loop.backoff_limit": (0.0, 0.001, 86_400.0),
    "vsphere.port": (0, -1, 65_536),
    "vsphere.call_timeout": (0.0, 0.001),
    "vsphere.task_timeout": (0.0, 0.001),
    "libvirt.look_timeout": (0.0, 0.001),
    "libvirt.call_timeout": (0.0, 0.001),
    "libvirt.detach_wait": (0.0, 0.001),
    "libvirt.keepalive": (0, 61),
    "rbd.timeout": (0.0, 0.001, 61.0),
    "bmc.deadline": (0.0, 0.001),
    "bmc.off_deadline": (0.0, 0.001),
    "bmc.watch_every": (0.001,),
    "lab.connect_timeout": (0.0,),
    "lab.call_timeout": (0.0,),
}


def numbers(kind: type[msgspec.Struct], beginning: str = "") -> Iterator[str]:
    for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        if isinstance(field.type, msgspec.inspect.FloatType | msgspec.inspect.IntType):
            yield f"{beginning}{field.name}"


LOOP = [*numbers(Settings), *(each for name, kind in SECTIONS.items() for each in numbers(kind, f"{name}."))]
OWN = [each for name, (kind, _) in DRIVERS.items() for each in numbers(kind, f"{name}.")]


def text(path: str, value: float) -> str:
    section, _, key = path.rpartition(".")
    return (f"[{section}]\n" if section else "") + f"{key} = {value!r}"


@pytest.mark.parametrize("path", LOOP)
def test_a_number_of_the_controller_s_has_a_range_and_its_refusal_names_it(path: str) -> None:
    for value in (*NEVER, *USELESS.get(path, ())):
        with pytest.raises(SettingsError, match=rf"{path}: .*: say a number from [0-9.e+]+ to [0-9.e+]+, or leave it"):
            parse(text(path, value), {})


@pytest.mark.parametrize("path", LOOP)
def test_a_variable_is_held_to_the_same_range(path: str) -> None:
    name = f"REBERTH_{path.replace('.', '_').upper()}"
    for word in ("nan", "inf", "-1", "1e308"):
        with pytest.raises(SettingsError, match=path):
            parse("", {name: word})


@pytest.mark.parametrize("path", OWN)
def test_a_number_of_a_driver_s_has_a_range_and_its_refusal_names_it(path: str) -> None:
    driver, key = path.split(".")
    for value in (*NEVER, *USELESS.get(path, ())):
        with pytest.raises((DriverSettingsError, msgspec.ValidationError), match=key):
            DRIVERS[driver][1]({key: value})


def test_the_table_forgets_no_number() -> None:
    """One that is new says here what of it is useless, or that 0 to a large number is well."""
    any_is_well = {
        "port",
        "metrics_port",
        "operators_port",
        "policy.grace",
        "volumes.keep_removed",
        "vsphere.whole_look",
    }
    listed = {*LOOP, *OWN}
    kinds = (fence_agent.Settings, ipmi.Settings, redfish.Settings)
    assert {each for kind in kinds for each in numbers(kind)} == {*numbers(Timing)}
    assert listed - set(USELESS) - any_is_well <= {"vsphere.disks_per_controller"}


def test_defaults_are_within_their_ranges() -> None:
    assert parse("", {}) == Settings()


def test_the_most_seconds_between_attempts_are_not_less_than_the_first() -> None:
    with pytest.raises(SettingsError, match=r"loop\.backoff_limit \(2\) must not be less than loop\.backoff \(10\)"):
        parse("[loop]\nbackoff = 10\nbackoff_limit = 2", {})


def test_what_is_no_number_gets_no_range() -> None:
    assert (range_of(Settings, "docker"), range_of(Settings, "policy.nothing")) == ("", "")
