"""What a fence agent says about itself (ClusterLabs' XML), and whether it and its options are safe to use. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from drivers.shared.settings import SettingsError

NEEDED = {"off", "status", "reboot"}
_NO_POWER = {
    "fence_dummy": "it is for tests: what it says about a machine is in a file",
    "fence_sbd": "what it reads is a message that was left for the machine, not the machine's power",
}
_FORBIDDEN = {
    "action": "Reberth says what is to be done",
    "option": "Reberth says what is to be done",
    "debug": "it writes passwords to a file",
    "debug_file": "it writes passwords to a file",
    "verbose": "it writes passwords to the log",
    "verbose_level": "it writes passwords to the log",
    "ssl_insecure": "whoever is in between could say that a machine is off",
    "delay": "nothing waits for it",
    "version": "it answers nothing else then",
    "help": "it answers nothing else then",
}
_SECRET = re.compile(r"passw|passphrase|secret|token|community|(^|_)key$")
_FALSE = {"", "0", "no", "off", "false"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """``parameters``: name -> the name that replaces it, or ""; ``switches``: actions done at a node's start."""

    parameters: Mapping[str, str]
    actions: frozenset[str]
    cuts_only: bool


def read(text: str) -> Metadata:
    """Raises SettingsError where it is not what an agent says."""
    root = _root(text)
    actions = list(root.iter("action"))
    return Metadata(
        _parameters(root),
        frozenset(each.get("name", "") for each in actions),
        cuts_only=any(each.get("automatic") == "1" for each in actions),
    )


def _root(text: str) -> ET.Element:
    start = text.find("<?xml")
    if start < 0 or "<!DOCTYPE" in text:
        raise SettingsError("its metadata cannot be read: no XML, or one with a document type of its own")
    try:
        return ET.fromstring(text[start:])  # noqa: S314 - of a program of the distribution, without entities
    except ET.ParseError as error:
        raise SettingsError(f"its metadata cannot be read: {error}") from None


def _parameters(root: ET.Element) -> Mapping[str, str]:
    names = {each.get("name", ""): each for each in root.iter("parameter")}
    replaced = {each.get("obsoletes", ""): name for name, each in names.items()}
    deprecated = {name for name, each in names.items() if each.get("deprecated") == "1"}
    return {name: replaced.get(name, "") if name in deprecated else "" for name in names}


def check_agent(agent: str, metadata: Metadata) -> None:
    """Raises SettingsError unless it switches power off and reads it: some cut a cable or a key instead."""
    if agent in _NO_POWER:
        raise SettingsError(f"{agent} is no power driver: {_NO_POWER[agent]}")
    if missing := sorted(NEEDED - metadata.actions):
        raise SettingsError(f"{agent} is no power driver: it does not offer {', '.join(missing)}")
    if metadata.cuts_only:
        raise SettingsError(f"{agent} is no power driver: it cuts a node off from something and lets it run")


def check_options(agent: str, metadata: Metadata, options: Mapping[str, str], secrets: Iterable[str]) -> None:
    """Raises SettingsError with the nearest name, or why an option may not be set."""
    for name in (*options, *secrets):
        if name not in metadata.parameters:
            near = difflib.get_close_matches(name, metadata.parameters, 1)
            hint = f"did you mean {near[0]}?" if near else f"see {agent} -o metadata"
            raise SettingsError(f"{agent} has no parameter {name!r}: {hint}")
        if new := metadata.parameters[name]:
            raise SettingsError(f"{name} is an old name of {agent}: write {new}")
        if name in _FORBIDDEN and options.get(name, "1").lower() not in _FALSE:
            raise SettingsError(f"{name} cannot be set: {_FORBIDDEN[name]}")
    for name, value in options.items():
        if _SECRET.search(name):
            raise SettingsError(f'{name} is a secret: write secrets = {{{name} = "/run/secrets/FILE"}}')
        if not value.isprintable():
            raise SettingsError(f"the value of {name} must be one line of printable text")
    _check_meaning(agent, options)


def _check_meaning(agent: str, options: Mapping[str, str]) -> None:
    """What agents would take and do the wrong thing with."""
    if options.get("method", "onoff") != "onoff":
        raise SettingsError("method must stay onoff: cycle may report success before the machine is off")
    if agent == "fence_redfish" and not options.get("systems_uri"):
        raise SettingsError(
            "fence_redfish needs systems_uri: without it, it takes the last system that the BMC lists, whichever it is"
        )


def line(name: str, value: str) -> str:
    """For the agent's standard input. It strips blanks, and one pair of quotes around the value."""
    bare = value == value.strip() and not (value[:1] in {'"', "'"} or value[-1:] in {'"', "'"})
    return f"{name}={value}\n" if bare else f'{name}="{value}"\n'
