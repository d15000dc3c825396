"""
Any of ClusterLabs' fence agents (Debian: fence-agents), one call for each question.

All goes by standard input: an agent with arguments would not read it, and arguments are seen by everybody. Agents have
no time limits that hold, so each call has ours. An agent's word that it switched off proves nothing: a second call asks
for the status. "Away", a wrong password and a wrong plug are one answer: unknown.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Annotated

import msgspec

from controller.model import Power
from drivers.bmc import agent_metadata as agents
from drivers.bmc.base import Timing, check_vms, own_uuid, parse, read_secret
from drivers.bmc.driver import BmcDriver
from drivers.bmc.errors import Unread
from drivers.shared.programs import PATH, Ran, run
from drivers.shared.settings import SettingsError

_METADATA_SECONDS = 30.0
_STATES = {(0, "Status: ON"): Power.ON, (2, "Status: OFF"): Power.OFF}


class MachineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    vm: str
    """The machine's UUID: /sys/class/dmi/id/product_uuid on the node."""

    options: dict[str, str] = msgspec.field(default_factory=dict)
    """The agent's parameters for this machine, such as ip, plug or systems_uri."""

    secrets: dict[str, str] = msgspec.field(default_factory=dict)
    """Parameter -> file with its value, such as a Docker secret."""


class Settings(Timing, frozen=True, kw_only=True):
    """The section ``[power.fence-agent]``."""

    agent: Annotated[str, msgspec.Meta(pattern=r"^fence_[a-z0-9_]+$")]
    machines: Annotated[list[MachineSettings], msgspec.Meta(min_length=1)]
    options: dict[str, str] = msgspec.field(default_factory=dict)
    """Parameters for all machines."""

    secrets: dict[str, str] = msgspec.field(default_factory=dict)
    ca_file: str | None = None
    """Certificates for agents that speak HTTPS (REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE); default: the system's."""


class Agent:
    """One machine, by the agent's words."""

    def __init__(self, machine: MachineSettings, settings: Settings) -> None:
        self._uuid = own_uuid(machine.vm)
        self._program = settings.agent
        self._options = settings.options | machine.options
        self._secrets = settings.secrets | machine.secrets
        ca = settings.ca_file
        self._variables = {} if ca is None else dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), ca)
        where = self._options.get("ip") or self._options.get("plug") or self._uuid
        self.name = f"{settings.agent} {where}"

    async def read(self) -> Mapping[str, Power]:
        ran = await self._ask("status")
        states = {_STATES.get((ran.code, line.strip())) for line in ran.output.splitlines()} - {None}
        if len(states) != 1:
            raise Unread(f"it ended with {ran.code}: {ran.errors[:300] or ran.output.strip()[:100] or 'no word'}")
        (state,) = states
        return {self._uuid: state or Power.UNKNOWN}

    async def order_off(self, uuid: str) -> None:
        if uuid != self._uuid:
            raise Unread(f"it has no machine {uuid}")
        ran = await self._ask("off")
        if ran.code != 0:
            raise Unread(f"it ended with {ran.code}: {ran.errors[:300]}")

    async def _ask(self, action: str) -> Ran:
        try:
            secrets = {name: read_secret(file) for name, file in self._secrets.items()}
            given = {"action": action, **self._options, **secrets}
            text = "".join(agents.line(name, value) for name, value in given.items())
            return await run([self._program], text, self._variables)
        except (OSError, SettingsError) as error:
            raise Unread(f"it cannot be asked: {error}") from None


def create(raw: Mapping[str, object]) -> BmcDriver:
    settings = parse(raw, Settings)
    check_vms(each.vm for each in settings.machines)
    metadata = agents.read(_metadata(settings.agent))
    agents.check_agent(settings.agent, metadata)
    seen: list[dict[str, str]] = []
    for each in settings.machines:
        options, secrets = settings.options | each.options, settings.secrets | each.secrets
        agents.check_options(settings.agent, metadata, options, secrets)
        if options in seen:
            raise SettingsError(f"the machine {each.vm} has the same options as another: both would be one machine")
        seen.append(options)
        for file in secrets.values():
            read_secret(file)
    return BmcDriver([Agent(each, settings) for each in settings.machines], settings)


def _metadata(agent: str) -> str:
    """Before the controller begins: nothing else waits for it."""
    try:
        done = subprocess.run(
            [agent],
            input=b"action=metadata\n",
            capture_output=True,
            timeout=_METADATA_SECONDS,
            check=False,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError:
        raise SettingsError(
            f"there is no {agent}: build the image with --build-arg EXTRA_PACKAGES=fence-agents, or correct the name"
        ) from None
    except subprocess.TimeoutExpired:
        raise SettingsError(f"{agent} does not tell its metadata within {_METADATA_SECONDS:g} s") from None
    return done.stdout.decode(errors="replace")
