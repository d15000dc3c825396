from __future__ import annotations

import pytest

from drivers.bmc.agent_metadata import check_agent, check_options, line, read
from drivers.shared.settings import SettingsError

HEAD = '<?xml version="1.0" ?>\n<resource-agent name="fence_x"><parameters>'
PARAMETERS = """
<parameter name="action" required="1"/>
<parameter name="ip" obsoletes="ipaddr"/><parameter name="ipaddr" deprecated="1"/>
<parameter name="password"/><parameter name="systems_uri"/><parameter name="method"/><parameter name="ssl_insecure"/>
<parameter name="debug_file"/><parameter name="snmp_auth_key"/>
"""
POWER = '<action name="on" automatic="0"/><action name="off"/><action name="reboot"/><action name="status"/>'
FABRIC = '<action name="on" automatic="1"/><action name="off"/><action name="status"/>'


def metadata(actions: str = POWER) -> str:
    return f"{HEAD}{PARAMETERS}</parameters><actions>{actions}</actions></resource-agent>"


def test_names_and_what_replaces_old_ones_are_read() -> None:
    found = read("a warning of Python's\n" + metadata())
    assert found.parameters["ipaddr"] == "ip"
    assert found.parameters["ip"] == ""
    assert found.actions == {"on", "off", "reboot", "status"}


@pytest.mark.parametrize(
    "text", ["", "usage: x", "<?xml version='1.0'?><a>", '<?xml version="1.0"?><!DOCTYPE a []><a/>']
)
def test_what_is_no_metadata_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="metadata cannot be read"):
        read(text)


@pytest.mark.parametrize(
    ("agent", "actions", "message"),
    [
        ("fence_brocade", FABRIC, "does not offer reboot"),
        ("fence_y", POWER.replace('"0"', '"1"'), "lets it run"),
        ("fence_kdump", '<action name="off"/>', "does not offer reboot, status"),
        ("fence_dummy", POWER, "for tests"),
        ("fence_sbd", POWER, "not the machine's power"),
    ],
)
def test_an_agent_that_does_not_switch_power_is_no_power_driver(agent: str, actions: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_agent(agent, read(metadata(actions)))
    check_agent("fence_x", read(metadata()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ipp": "x"}, r"no parameter 'ipp': did you mean ip\?"),
        ({"ipaddr": "x"}, "an old name of fence_x: write ip"),
        ({"action": "on"}, "Reberth says"),
        ({"ssl_insecure": "1"}, "whoever is in between"),
        ({"debug_file": "/tmp/x"}, "writes passwords"),
        ({"password": "x"}, r'secrets = \{password = "/run/secrets/FILE"\}'),
        ({"snmp_auth_key": "x"}, "is a secret"),
        ({"ip": "x\naction=on"}, "one line"),
        ({"method": "cycle"}, "before the machine is off"),
    ],
)
def test_an_option_that_is_unknown_or_does_harm_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_options("fence_x", read(metadata()), options, ())


def test_a_secret_has_a_name_that_the_agent_knows() -> None:
    check_options("fence_x", read(metadata()), {"ip": "x", "method": "onoff", "ssl_insecure": "0"}, ["password"])
    with pytest.raises(SettingsError, match="did you mean password"):
        check_options("fence_x", read(metadata()), {}, ["passwort"])


def test_redfish_needs_to_know_which_system() -> None:
    with pytest.raises(SettingsError, match="takes the last system"):
        check_options("fence_redfish", read(metadata()), {"ip": "x"}, ())
    check_options("fence_redfish", read(metadata()), {"systems_uri": "/redfish/v1/Systems/1"}, ())


@pytest.mark.parametrize(
    ("value", "written"),
    [("a b:c=d", "k=a b:c=d\n"), (" a", 'k=" a"\n'), ("a ", 'k="a "\n'), ('"a"', 'k=""a""\n'), ("a'", 'k="a\'"\n')],
)
def test_a_value_is_quoted_where_the_agent_would_strip_it(value: str, written: str) -> None:
    assert line("k", value) == written
