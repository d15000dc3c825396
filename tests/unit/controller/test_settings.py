from __future__ import annotations

from pathlib import Path

import pytest

from controller.model import FencePolicy
from controller.settings import Settings, SettingsError, parse, read
from drivers.memory_storage import CAPABILITIES


def test_nothing_said_is_the_defaults() -> None:
    assert parse("", {}) == Settings()


def test_a_file_sets_keys_and_the_chosen_drivers_own_table() -> None:
    settings = parse(
        'port = 1234\n[policy]\nfence = "hold"\n[storage]\ndriver = "lab"\n[storage.lab]\nurl = "http://x"', {}
    )
    assert (settings.port, settings.policy.fence) == (1234, FencePolicy.HOLD)
    assert (settings.storage.driver, settings.storage.own()) == ("lab", {"url": "http://x"})


def test_paths_are_read_from_text() -> None:
    assert parse('door = "/x/y.sock"', {"REBERTH_CERTIFICATES": "/z"}).door == Path("/x/y.sock")


def test_the_table_of_another_driver_is_not_the_chosen_ones() -> None:
    assert parse('[storage]\ndriver = "lab"\n[storage.memory]\nvms = []', {}).storage.own() == {}


def test_variables_override_the_file() -> None:
    environment = {
        "REBERTH_PORT": "99",
        "REBERTH_POLICY_GATE_FRESH": "62.5",
        "REBERTH_STORAGE_DRIVER": "lab",
        "REBERTH_STORAGE_LAB_TOKEN_FILE": "/run/secrets/token",
    }
    settings = parse('port = 1\n[storage]\ndriver = "memory"', environment)
    assert (settings.port, settings.policy.gate_fresh, settings.storage.driver) == (99, 62.5, "lab")
    assert settings.storage.own() == {"token_file": "/run/secrets/token"}


def test_power_may_come_from_another_driver_with_settings_of_its_own() -> None:
    text = '[storage]\ndriver = "lab"\n[power]\ndriver = "redfish"\n[power.redfish]\nuser_file = "/x"'
    settings = parse(text, {"REBERTH_POWER_REDFISH_DEADLINE": "3"})
    assert (settings.storage.driver, settings.power.driver) == ("lab", "redfish")
    assert settings.power.own() == {"user_file": "/x", "deadline": "3"}
    assert parse("", {}).power.driver is None


def test_variables_of_the_gate_are_left_alone() -> None:
    assert parse("", {"REBERTH_VM_UUID_FILE": "/x", "REBERTH_CONFIG": "/y", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("prot = 1", {}, r"unknown key prot: did you mean port\?"),
        ("[policy]\ngracee = 1", {}, r"unknown key policy\.gracee: did you mean policy\.grace\?"),
        ("[polcy]\ngrace = 1", {}, r"unknown key polcy: did you mean policy\?"),
        ("xyzzy = 1", {}, r"unknown key xyzzy: known are .*port"),
        ("", {"REBERTH_LOOP_RESINK": "3"}, r"unknown key loop\.resink: did you mean loop\.resync\?"),
        ("[policy]\ngrace = 'long'", {}, r"policy\.grace: Expected `float`"),
        ("[policy]\ngrace = -1", {}, r"policy\.grace: Expected `float` >= 0"),
        ("[volumes]\nkeep_removed = -1", {}, r"volumes\.keep_removed: Expected `float` >= 0"),
        ("[volumes]\nkeep_remove = 1", {}, r"did you mean volumes\.keep_removed"),
        ("[policy]\nfence = 'shoot'", {}, r"policy\.fence: Invalid enum value 'shoot'"),
        ("port = 70000", {}, r"port: Expected `int` <= 65535"),
        ("policy = 1", {}, r"policy is a section"),
        ("[storage]\nurl = 'x'", {}, r"unknown key storage\.url: \[storage\] has only `driver`"),
        ("[power]\nurl = 'x'", {}, r"unknown key power\.url: \[power\] has only `driver`"),
        ("[power.redfish]\nuser_file = 'x'", {}, r"\[power\.redfish\] is set and no driver is chosen"),
        ("power = 1", {}, r"power is a section"),
        ("door = 5", {}, r"door: Expected a path, got 5"),
        ("port =", {}, r"reberth\.toml is not TOML"),
    ],
)
def test_a_mistake_is_an_error_that_names_the_key_and_the_cure(
    text: str, environment: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(text, environment)


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        read({"REBERTH_CONFIG": str(tmp_path / "none.toml")})


def test_the_file_named_by_the_environment_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text("port = 5")
    assert read({"REBERTH_CONFIG": str(path)}).port == 5


def test_the_planner_gets_the_settings_and_the_drivers_promises() -> None:
    policy = parse("[policy]\ngrace = 3", {}).planner_policy(CAPABILITIES)
    assert (policy.grace, policy.capabilities) == (3.0, CAPABILITIES)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[leadership]\nbeat = 30\npatience = 10", r"leadership\.patience \(10\) must be at least twice"),
        ("[leadership]\nbeat = 8", "must be at least twice"),
        ("[policy]\ngate_fresh = 5", r"policy\.gate_fresh"),
        ("[loop]\nread_deadline = 45", r"loop\.read_deadline"),
        ("[loop]\ncall_deadline = 0.001", r"loop\.call_deadline"),
    ],
    ids=["patience below a beat", "patience below two beats", "gates never fresh", "unhealthy reads", "all in doubt"],
)
def test_times_that_cannot_work_together_are_refused(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        parse(text, {})
