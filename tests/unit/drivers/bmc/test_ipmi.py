from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.model import Power, VmId
from drivers.bmc.ipmi import create
from drivers.shared.settings import SettingsError
from tests.support.processes import wait_gone

VM = VmId("00112233-4455-6677-8899-aabbccddeeff")
OTHER = "aaaaaaaa-0000-4000-8000-000000000002"
Settings = Callable[..., dict[str, object]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a driver whose ipmitool is a shell script; it keeps its arguments in the file ``arguments``."""
    for name, text in (("user", "admin"), ("password", "pass-word")):
        (tmp_path / name).write_text(f"{text}\n")

    def make(script: str = "echo Chassis Power is on", **more: object) -> dict[str, object]:
        program = tmp_path / "ipmitool"
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{shlex.quote(str(tmp_path / "arguments"))}\n{script}\n')
        program.chmod(0o755)
        files = {"user_file": str(tmp_path / "user"), "password_file": str(tmp_path / "password")}
        machines = [{"vm": VM, "address": "bmc1.example"}]
        return {"machines": machines, "program": str(program), "watch_every": 0, "deadline": 20, **files, **more}

    return make


@pytest.mark.parametrize(
    ("script", "meant"),
    [
        ("echo 'Chassis Power is on'", Power.ON),
        ("echo 'Chassis Power is off'", Power.OFF),
        ("echo 'Chassis Power is off'; exit 1", Power.UNKNOWN),
        ("echo 'Chassis Power Control: Down/Off'", Power.UNKNOWN),
        ("true", Power.UNKNOWN),
        ("echo 'Error: Unable to establish IPMI v2 / RMCP+ session' >&2; exit 1", Power.UNKNOWN),
        ("kill -9 $$", Power.UNKNOWN),
    ],
)
async def test_only_the_exact_words_of_a_good_end_count(settings: Settings, script: str, meant: Power) -> None:
    assert await create(settings(script)).power([VM]) == {VM: meant}


async def test_a_good_end_of_the_order_is_not_off(settings: Settings) -> None:
    driver = create(settings("echo 'Chassis Power is on'", off_deadline=1))
    assert await driver.power_off(VM) is Power.ON


async def test_the_password_is_in_no_argument(settings: Settings, tmp_path: Path) -> None:
    await create(settings()).power([VM])
    arguments = (tmp_path / "arguments").read_text()
    assert "pass-word" not in arguments
    assert f"-f\n{tmp_path}/password\n" in arguments
    assert arguments.endswith("chassis\npower\nstatus\n")


async def test_a_program_that_hangs_is_killed_and_its_machine_unknown(settings: Settings, tmp_path: Path) -> None:
    driver = create(settings(f"sleep 1000 & echo $! >{tmp_path}/pid; wait", deadline=3))
    assert await driver.power([VM]) == {VM: Power.UNKNOWN}
    wait_gone(int((tmp_path / "pid").read_text()))


async def test_a_changed_user_is_used_at_once_and_one_that_is_gone_makes_unknown(
    settings: Settings, tmp_path: Path
) -> None:
    driver = create(settings('case "$*" in *"-U new "*) echo Chassis Power is on;; esac'))
    (tmp_path / "user").unlink()
    assert await driver.power([VM]) == {VM: Power.UNKNOWN}
    (tmp_path / "user").write_text("new")
    assert await driver.power([VM]) == {VM: Power.ON}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"machines": []}, "length >= 1"),
        ({"machines": [{"vm": VM, "address": "-x"}]}, "regex"),
        ({"machines": [{"vm": "node", "address": "x"}]}, "no machine's UUID"),
        ({"machines": [{"vm": VM, "address": "x"}, {"vm": OTHER, "address": "X"}]}, "two machines have the BMC x:623"),
        ({"password": "x"}, "unknown field `password`"),
        ({"password_file": None}, "user_file and password_file are needed"),
        ({"program": "no-such-ipmitool"}, "EXTRA_PACKAGES=ipmitool"),
    ],
)
def test_a_mistake_in_the_settings_is_told_at_the_start(
    settings: Settings, more: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        create(settings(**more))
