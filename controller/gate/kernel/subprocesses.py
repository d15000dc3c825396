"""
Programs and blocking calls that may hang on a sick disk.

Nothing here is ever killed: a program that sits in the kernel cannot be, and one that was killed half way (mkfs, fsck)
leaves a worse disk than a slow one. Who waits has the deadline; the work goes on, and no second one is started.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProgramMissing(Exception):
    """A program that the gate needs is not in its image."""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The last thing the program said, on one line, for a reason."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return "; ".join(lines[-3:]) or "it said nothing"


async def run(*argv: str) -> Ended:
    """Run a program to its end. Raises ProgramMissing."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": SEARCH_PATH}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
    except FileNotFoundError as error:
        raise ProgramMissing(
            f"the program {argv[0]} is not in the gate's image; rebuild the image and the plugin"
        ) from error
    out, err = await process.communicate()
    code = process.returncode
    return Ended(-1 if code is None else code, out.decode(errors="replace"), err.decode(errors="replace"))


async def in_thread(work: Callable[[], T]) -> T:
    """
    Run a blocking call in a thread of its own.

    Not in asyncio's pool: a few calls stuck on a dead disk would use that up, and it is joined at exit.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[], None]) -> None:
        if not future.done():
            set_it()

    def tell(set_it: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(settle, set_it)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def body() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 -- handed to the waiter, whatever it is
            failure = error
            tell(lambda: future.set_exception(failure))
        else:
            tell(lambda: future.set_result(result))

    threading.Thread(target=body, daemon=True).start()
    return await future
