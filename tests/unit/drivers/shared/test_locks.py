"""One change at a time to a VM and to a disk."""

from __future__ import annotations

import asyncio

from controller.model import DiskId, VmId
from drivers.shared.locks import Locks

A, B = DiskId("a"), DiskId("b")
ONE, TWO = VmId("one"), VmId("two")


async def test_changes_of_one_vm_or_of_one_disk_come_one_after_the_other_and_never_wait_in_a_ring() -> None:
    locks, inside, seen = Locks(), set[tuple[str, ...]](), list[int]()

    async def change(vm: VmId | None, *disks: DiskId) -> None:
        async with locks.alone(disks, vm):
            mine = tuple(sorted({*disks, *([vm] if vm else [])}))
            seen.append(sum(bool(set(mine) & set(other)) for other in inside))
            inside.add(mine)
            await asyncio.sleep(0)
            inside.remove(mine)

    async with asyncio.TaskGroup() as group:
        for vm, disks in ((ONE, (A, B)), (TWO, (B, A)), (ONE, (B,)), (None, (A,)), (TWO, (A, A))):
            group.create_task(change(vm, *disks))
    assert seen == [0, 0, 0, 0, 0]


async def test_changes_of_different_vms_and_disks_go_at_once() -> None:
    locks = Locks()
    async with asyncio.timeout(5), locks.alone([A], ONE), locks.alone([B], TWO):
        pass
