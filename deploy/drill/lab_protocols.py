"""
What a drill needs of a lab, as Protocols: docs/lab-api.md describes the lab that fulfils them.

Kept apart so that another kind of lab (virtual machines) or a fake in a test can take its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol, runtime_checkable

import docker


class Machine(Protocol):
    """One node of a lab."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def manager(self) -> bool: ...
    @property
    def socket(self) -> Path: ...


class SwarmLab(Protocol):
    """A Swarm on one machine, whose nodes can be broken."""

    @property
    def nodes(self) -> Sequence[Machine]: ...
    def node(self, name: str, /) -> Machine: ...
    def docker(self, name: str, /) -> docker.DockerClient: ...
    def environment(self, name: str, /) -> Mapping[str, str]: ...
    def exec(self, name: str, command: Sequence[str], /) -> CompletedProcess[str]: ...
    def power(self, name: str, /) -> str: ...  # on, off or frozen
    def power_off(self, name: str, /) -> None: ...
    def power_on(self, name: str, /) -> None: ...
    def freeze(self, name: str, /) -> None: ...
    def thaw(self, name: str, /) -> None: ...
    def cut(self, name: str, /) -> None: ...
    def heal(self, name: str, /) -> None: ...


def mend_network(lab: SwarmLab, name: str) -> None:
    """After a cut: a machine that was fenced meanwhile comes back with its cable in; one that runs is healed."""
    if lab.power(name) == "off":
        lab.power_on(name)
    else:
        lab.heal(name)


@runtime_checkable
class FragileStorage(Protocol):
    """A lab whose storage system can be taken away for a while."""

    def storage_away(self) -> None: ...
    def storage_back(self) -> None:
        """It answers again, and knows none of the sessions from before."""
        ...


@runtime_checkable
class Vcenter(Protocol):
    """A lab whose machines are VMs that a vCenter manages."""

    def lose_host(self, name: str, /) -> None:
        """The host under a machine crashes, and vCenter hears no more of it."""
        ...

    def forget_machine(self, name: str, /) -> None:
        """An administrator takes the machine's VM out of the inventory."""
        ...

    def return_host(self, name: str, /) -> None:
        """After both: the host is back, and the machine runs on it, registered without the disks it had."""
        ...

    def hinder(self, kind: str, name: str, volume: str, /) -> None:
        """
        From now on vCenter does not let the volume's disk go from a machine: ``snapshot``: its VM has one; ``move``:
        the disk's file was moved and renamed; ``empty``: its VM shows no devices.
        """
        ...

    def clear(self, kind: str, name: str, /) -> None:
        """An administrator has taken it away."""
        ...

    def change_password(self) -> bytes:
        """Everybody has to log in again, with the password that this returns."""
        ...

    def end_sessions_at(self, method: str, whens: Sequence[str], /) -> None:
        """Each of the next callers of a method loses its session, ``before`` or ``after`` the call is carried out."""
        ...

    def sessions_ended(self) -> int:
        """At calls, so far."""
        ...


@runtime_checkable
class VirtualMachineLab(Protocol):
    """A lab of virtual machines: what is broken there is broken as on a hypervisor."""

    def shut_down(self, name: str, /) -> None:
        """In good order, by the machine itself; returns when it is off."""
        ...

    def kernel_log(self, name: str, /) -> str: ...
