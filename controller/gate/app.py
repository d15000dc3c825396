"""
`reberth gate`: the process inside the plugin.

It starts under all conditions: dockerd 20.10 panics at its own start if the plugin of existing volumes does not. So
the socket listens before anything slow is imported (Docker looks for it only for a few seconds), and whatever is
missing is told to whoever calls, until it is there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from controller.gate.settings import GateSettings, read_settings

BACKLOG = 128


def listen(path: Path) -> socket.socket:
    """Docker's connections wait in the backlog until somebody accepts them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(fresh))
    listener.listen(BACKLOG)
    fresh.replace(path)  # over the one of the process before us, which answers nobody
    return listener


async def serve(settings: GateSettings, listener: socket.socket, env: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT. Mounts stay as they are: they belong to containers, not to this process."""
    from aiohttp import web  # noqa: PLC0415 -- slow, and the socket listens already

    from controller.gate.gate import Gate  # noqa: PLC0415
    from controller.gate.kernel.host import KernelHost  # noqa: PLC0415
    from controller.gate.volume_plugin import application  # noqa: PLC0415
    from controller.protocol.client import swarm_client  # noqa: PLC0415
    from controller.protocol.machine import read_machine  # noqa: PLC0415

    client = swarm_client(settings.docker_root, settings.port, settings.problem)
    host = KernelHost(settings.mount_root)
    gate = Gate(host, client, lambda: read_machine(env), settings.mount_root, settings.state_file)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(application(gate), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    try:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(gate.run())
            await stop.wait()
            work.cancel()
    finally:
        await runner.cleanup()
        await client.close()


def main(env: Mapping[str, str] | None = None) -> int:
    env = os.environ if env is None else env
    settings = read_settings(env)
    listener = listen(settings.socket)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(settings, listener, env))
    return 0
