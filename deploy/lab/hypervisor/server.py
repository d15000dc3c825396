"""
The machine host: plays the hypervisor and the shared storage of a lab. See docs/lab-host.md for its interface.

``python -m deploy.lab.hypervisor.server NAME``. It may be killed at any instant: nodes do not die with it, disks and
power are read from the file system and the kernel, and `Machine.settle` finishes what a dead one began.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import msgspec
import structlog
from aiohttp import web

from deploy.lab.hypervisor.dead_machines import tidy_the_dead
from deploy.lab.hypervisor.devices import Refusals
from deploy.lab.hypervisor.disks import Disks, StorageRefusal
from deploy.lab.hypervisor.events import Events, EventWord
from deploy.lab.hypervisor.machine import Machine
from deploy.lab.hypervisor.messages import (
    Answer,
    DiskBody,
    DisksBody,
    PowerOffBody,
    answer,
    errors,
    read_body,
    token_check,
)
from deploy.lab.hypervisor.mischief import Mischief
from deploy.lab.names import HOST_PORT, LabError, LabRecord, Layout

log = structlog.get_logger()


_IDLE = 5.0  # seconds after which an event stream shows that it lives
_CONTROLS: dict[str, EventWord | None] = {
    "power-on": "power-on",
    "power-off": "power-off",
    "freeze": "freeze",
    "thaw": "thaw",
    "cut": None,  # a cut network is nothing that a hypervisor would report
    "heal": None,
}


class MachineHost:
    def __init__(self, record: LabRecord) -> None:
        self._layout = Layout(record.name)
        self.disks = Disks(self._layout)
        self.machines = {node.vm: Machine(self._layout, record.spec(), node, self.disks) for node in record.nodes()}
        self._locks = {vm: asyncio.Lock() for vm in self.machines}  # one operation on a machine at a time
        self.events = Events()
        self.mischief = Mischief()
        for vm in self.machines:
            self.disks.add_machine(vm)

    def settle(self) -> None:
        for machine in self.machines.values():
            try:
                machine.settle()
            except LabError as error:  # the others can be served, and this one says "on" until it is really off
                log.warning("machine.unsettled", node=machine.node.name, why=str(error))

    async def tidy_the_dead(self) -> None:
        await tidy_the_dead(self.machines, self._locks, lambda vm: self.events.tell(vm, "power-off"))

    # -- what drivers ask ------------------------------------------------------------------------------------

    async def list_machines(self, _: web.Request) -> web.Response:
        powers = await asyncio.gather(*(asyncio.to_thread(machine.power) for machine in self.machines.values()))
        return answer(
            [
                {
                    "id": vm,
                    "name": machine.node.name,
                    "power": "off" if power == "off" else "on",
                    "boot": machine.boot_id(),
                    "addresses": [machine.node.address],
                }
                for (vm, machine), power in zip(self.machines.items(), powers, strict=True)
            ]
        )

    async def power_off(self, request: web.Request) -> web.Response:
        machine = self._machine(request)
        body = await read_body(request, PowerOffBody)
        async with self._locks[machine.node.vm]:
            if body.epoch is not None:
                self.disks.raise_stamp(machine.node.vm, body.epoch)
            await self._act(machine, "power-off")
        return answer({"power": "off"})

    async def list_disks(self, _: web.Request) -> web.Response:
        disks = await asyncio.to_thread(self.disks.all)
        return answer([{"id": disk, "size_bytes": size} for disk, size in sorted(disks.items())])

    async def put_disk(self, request: web.Request) -> web.Response:
        disk, body = request.match_info["disk"], await read_body(request, DiskBody)
        if body.size_bytes <= 0 or body.size_bytes % 512:
            raise ValueError(f"The size of a disk is a positive multiple of 512 bytes, not {body.size_bytes}.")
        if body.copy_of is None:
            size = await asyncio.to_thread(self.disks.create, disk, body.size_bytes)
        else:
            copy = partial(self.disks.snapshot, at_rest=body.at_rest) if body.in_use else self.disks.copy
            size = await asyncio.to_thread(copy, disk, body.size_bytes, body.copy_of)
        return answer({"id": disk, "size_bytes": size})

    async def grow_disk(self, request: web.Request) -> web.Response:
        disk, body = request.match_info["disk"], await read_body(request, DiskBody)
        async with AsyncExitStack() as stack:  # no disk moves to another machine meanwhile
            for _, lock in sorted(self._locks.items()):
                await stack.enter_async_context(lock)
            image = await asyncio.to_thread(self.disks.grow, disk, body.size_bytes)
            machine = self.machines.get(image.parent.name)
            if machine is not None:
                await asyncio.to_thread(machine.devices.grown, image)
        return answer({"id": disk, "size_bytes": image.stat().st_size})

    async def delete_disk(self, request: web.Request) -> web.Response:
        await asyncio.to_thread(self.disks.delete, request.match_info["disk"])
        return answer({})

    async def list_attachments(self, _: web.Request) -> web.Response:
        return answer(await asyncio.to_thread(self.disks.attachments))

    async def attach(self, request: web.Request) -> web.Response:
        return await self._each(request, Machine.attach, "attached")

    async def detach(self, request: web.Request) -> web.Response:
        return await self._each(request, Machine.detach, "detached")

    async def _each(
        self, request: web.Request, act: Callable[[Machine, Sequence[str]], Refusals], word: EventWord
    ) -> web.Response:
        machine, body = self._machine(request), await read_body(request, DisksBody)
        async with self._locks[machine.node.vm]:
            answers = await asyncio.to_thread(self._all, machine, body, act)
        if any(answer.outcome == "done" for answer in answers):
            self.events.tell(machine.node.vm, word)
        log.info(
            "disks.changed", what=word, node=machine.node.name, epoch=body.epoch, answers=msgspec.to_builtins(answers)
        )
        return answer(answers)

    def _all(
        self, machine: Machine, body: DisksBody, act: Callable[[Machine, Sequence[str]], Refusals]
    ) -> list[Answer]:
        try:
            self.disks.raise_stamp(machine.node.vm, body.epoch)
        except StorageRefusal as refusal:
            return [Answer(disk, "refused", str(refusal)) for disk in body.disks]
        refusals = act(machine, body.disks)
        return [
            Answer(disk, "refused", refusals[disk]) if disk in refusals else Answer(disk, "done") for disk in body.disks
        ]

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await response.write(b"\n")
        async for event in self.events.listen(_IDLE):
            await response.write((msgspec.json.encode(event) if event else b"") + b"\n")
        return response

    # -- what the lab asks -----------------------------------------------------------------------------------

    async def control(self, request: web.Request) -> web.Response:
        machine, action = self._machine(request), request.match_info["action"]
        if action not in _CONTROLS:
            raise ValueError(f"A machine cannot {action!r}; it can {', '.join(_CONTROLS)}.")
        async with self._locks[machine.node.vm]:
            await self._act(machine, action)
        return answer({"power": await asyncio.to_thread(machine.power)})

    async def read_power(self, request: web.Request) -> web.Response:
        return answer({"power": await asyncio.to_thread(self._machine(request).power)})

    async def _act(self, machine: Machine, action: str) -> None:
        await asyncio.to_thread(getattr(machine, action.replace("-", "_")))
        log.info("machine.changed", node=machine.node.name, why=f"{action} was asked for")
        word = _CONTROLS[action]
        if word is not None:
            self.events.tell(machine.node.vm, word)

    def _machine(self, request: web.Request) -> Machine:
        """By VM or by the node's name."""
        wanted = request.match_info["vm"]
        for vm, machine in self.machines.items():
            if wanted in {vm, machine.node.name}:
                return machine
        raise LookupError(f"There is no machine {wanted!r} in this lab.")


def driver_app(host: MachineHost, token: str) -> web.Application:
    app = web.Application(middlewares=[token_check(token), errors, host.mischief.middleware()])
    app.add_routes(_routes(host))
    return app


def control_app(host: MachineHost) -> web.Application:
    """Behind a socket that only root can open: no token, and more to do."""
    app = web.Application(middlewares=[errors])
    app.add_routes(_routes(host))
    app.add_routes(
        [
            web.post("/control/mischief", host.mischief.change),
            web.get("/control/{vm}/power", host.read_power),
            web.post("/control/{vm}/{action}", host.control),
        ]
    )
    return app


def _routes(host: MachineHost) -> list[web.RouteDef]:
    return [
        web.get("/v1/vms", host.list_machines),
        web.post("/v1/vms/{vm}/power-off", host.power_off),
        web.post("/v1/vms/{vm}/attach", host.attach),
        web.post("/v1/vms/{vm}/detach", host.detach),
        web.get("/v1/disks", host.list_disks),
        web.put("/v1/disks/{disk}", host.put_disk),
        web.post("/v1/disks/{disk}/grow", host.grow_disk),
        web.delete("/v1/disks/{disk}", host.delete_disk),
        web.get("/v1/attachments", host.list_attachments),
        web.get("/v1/events", host.stream),
    ]


async def serve(name: str) -> None:
    layout = Layout(name)
    record = msgspec.json.decode(layout.record.read_bytes(), type=LabRecord)
    host = MachineHost(record)
    await asyncio.to_thread(host.settle)
    drivers = web.AppRunner(driver_app(host, layout.token.read_text().strip()), shutdown_timeout=1.0)
    control = web.AppRunner(control_app(host), shutdown_timeout=1.0)
    await drivers.setup()
    await control.setup()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await web.TCPSite(drivers, record.spec().gateway, HOST_PORT).start()
    layout.control.unlink(missing_ok=True)
    await web.UnixSite(control, str(layout.control)).start()  # in a folder that only root can enter
    log.info("host.ready", lab=name, why="all machines were looked at")
    async with asyncio.TaskGroup() as group:
        tidying = group.create_task(host.tidy_the_dead())
        await stopped.wait()
        tidying.cancel()
    await drivers.cleanup()
    await control.cleanup()


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m deploy.lab.hypervisor.server NAME")
    structlog.configure(processors=[structlog.processors.TimeStamper(fmt="iso"), structlog.processors.JSONRenderer()])
    asyncio.run(serve(sys.argv[1]))


if __name__ == "__main__":
    main()
