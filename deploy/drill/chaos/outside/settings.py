"""What a person says about the swarm, and what of it cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.drill.errors import DrillError
from deploy.drill.settings import option

NODE = "{node}"
PORTS = 4  # PostgreSQL and three writers
_STACK = re.compile(r"[a-z][a-z0-9-]{0,19}")


@dataclass(frozen=True, slots=True)
class OutsideSettings:
    """Each field is an option of ``reberth chaos --on-swarm``."""

    context: str = option("", "Docker contexts or addresses of managers: a,ssh://b. The one that docker uses.")
    nodes: str = option("", "Nodes that may be broken: a,b. Nothing is broken that is not named here.")
    run_on: str = option("", "Nodes that its services may run on: a,b. All.")
    switch_off: str = option("", "Command that switches a node off: 'virsh destroy {node}'. {address} is known, too.")
    switch_on: str = option("", "Command that switches it on again.")
    power: str = option("", "A reberth.toml whose power driver switches nodes off, in place of --switch-off.")
    lose_quorum: bool = option(default=False, text="The nodes may be so many managers that the quorum is lost.")
    stack: str = option("chaos", "Its services are STACK_..., its volumes STACK-...")
    volume_options: str = option("size=512MiB", "Options of its volumes: size=1GiB,datastore=fast.")
    postgres_image: str = option("postgres:15", "Image of PostgreSQL, one that takes POSTGRES_PASSWORD_FILE.")
    port: int = option(7480, f"The first of {PORTS} ports that it publishes on the nodes (mode: host).", 1)
    address: str = option("", "Where nodes are reached, if not where Swarm says: a=192.0.2.1,b=192.0.2.2.")

    @property
    def breakable(self) -> tuple[str, ...]:
        return names(self.nodes)

    @property
    def switches(self) -> bool:
        return bool(self.switch_on)

    def check(self) -> None:
        """Raises DrillError that names the option and what it may be."""
        if not self.breakable:
            raise DrillError("--on-swarm breaks nothing without a list: say --nodes a,b, the nodes that may be broken")
        if not _STACK.fullmatch(self.stack):
            raise DrillError(f"--stack is {self.stack!r}; write 1 to 20 of a-z, 0-9 and '-', beginning with a letter")
        if self.port + PORTS > 65_536:
            raise DrillError(f"--port is {self.port}; {PORTS} ports from there on are needed")
        pairs("--volume-options", self.volume_options)
        pairs("--address", self.address)
        self._check_switches()

    def _check_switches(self) -> None:
        if self.power and self.switch_off:
            raise DrillError("--power and --switch-off are two ways to the same: say one of them")
        off = self.power or self.switch_off
        if bool(off) != bool(self.switch_on):
            given, missing = ("--power or --switch-off", "--switch-on") if off else ("--switch-on", "--switch-off")
            raise DrillError(
                f"{given} without {missing}: what is switched off has to come back, so say both or neither"
            )
        for name, command in (("--switch-off", self.switch_off), ("--switch-on", self.switch_on)):
            if command and NODE not in command:
                raise DrillError(f"{name} has no {NODE}: without it the command is the same for all nodes")


def names(text: str) -> tuple[str, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(name for word in text.split(",") if (name := word.strip())))


def pairs(option_name: str, text: str) -> Mapping[str, str]:
    """Raises DrillError."""
    found = {}
    for word in names(text):
        key, equals, value = word.partition("=")
        if not key or not equals or not value:
            raise DrillError(f"{option_name} is {text!r}; write name=value,name=value")
        found[key] = value
    return found
