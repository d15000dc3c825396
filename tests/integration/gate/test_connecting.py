"""An order to connect a disk, from a controller over TLS to a gate's kernel and back, on a real block device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.gate.kernel.connecting.connector import IN_USE, Word, carried_out
from controller.gate.kernel.host import KernelHost
from controller.model import Connection, ConnectKind, VmId
from controller.protocol.client import ControllerClient
from controller.protocol.identity import client_context
from controller.protocol.machine import Machine
from drivers.base import Done
from tests.support.api_site import site, swarm_ca
from tests.support.connections import WWN, connection
from tests.support.gate_rig import Disk, disk, running, until

BY_EXCLUSIVE = os.O_RDONLY | os.O_EXCL


@dataclass
class Keys:
    """What a LUN would keep. ``held``: whether nobody else could take the disk exclusively meanwhile."""

    path: str
    orders: list[tuple[Connection, bool]] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)

    def connect(self, what: Connection, *, anew: bool) -> Word:
        self.orders.append((what, anew))
        try:
            os.close(os.open(self.path, BY_EXCLUSIVE))
        except OSError:
            self.held.append(True)
        else:
            self.held.append(False)
        return Word("done")

    def disconnect(self, what: Connection) -> Word:
        self.orders.append((what, False))
        return Word("done")


@pytest.fixture
def lun(own_mounts: None, tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path, name=WWN) as made:
        yield made


async def test_an_order_reaches_the_kernel_over_tls_and_its_outcome_the_driver(lun: Disk, tmp_path: Path) -> None:
    keys = Keys(lun.loop)
    async with site(swarm_ca(tmp_path / "ca"), tmp_path) as place:
        context = client_context(place.ca.folder / "b")
        client = ControllerClient(lambda: [f"127.0.0.1:{place.port}"], lambda: context)
        host = KernelHost(tmp_path / "volumes", lun.by_id, {ConnectKind.REGISTER_KEY: keys})
        (tmp_path / "volumes").mkdir(exist_ok=True)
        gates = place.controller.state.gates
        async with running(host, client, tmp_path, lambda: Machine("vm-b", "boot-b-1")):  # type: ignore[arg-type]
            await until(lambda: gates.newest(VmId("vm-b")) is not None)
            outcomes = await place.controller.state.nodes.connect(VmId("vm-b"), [connection()])
        await client.close()

    assert outcomes == [Done()]
    assert keys.orders == [(connection(), True)]
    assert keys.held == [True]


def test_what_is_in_use_is_not_connected_anew_and_not_disconnected(lun: Disk) -> None:
    """As by a mounted file system: after a fence its key is gone, and must not come back."""
    keys, user = Keys(lun.loop), os.open(lun.loop, BY_EXCLUSIVE)
    try:
        carried_out(keys, connection(), undo=False, by_id=lun.by_id)
        undone = carried_out(keys, connection(), undo=True, by_id=lun.by_id)
    finally:
        os.close(user)

    assert keys.orders == [(connection(), False)]
    assert undone == Word("refused", IN_USE)


def test_when_it_is_done_the_disk_is_free_again(lun: Disk) -> None:
    carried_out(Keys(lun.loop), connection(), undo=False, by_id=lun.by_id)

    os.close(os.open(lun.loop, BY_EXCLUSIVE))
