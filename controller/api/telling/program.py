"""
Tells by a program that is started for each alarm and each finished move, with the JSON on its standard input.

No shell, no arguments, and of the environment only PATH: nothing that is told stands in a list of processes, and none
of the controller's own secrets is passed on. It has an end: who is not done by then is killed with all that it started.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from contextlib import suppress
from pathlib import Path

from controller.api.telling.notices import PAUSES, Notices
from controller.reconciler.state import LoopState
from controller.settings import SettingsError

SECONDS = 30.0  # for one attempt
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def program(file: Path | None) -> Path | None:
    """Raises SettingsError."""
    if file is None:
        return None
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise SettingsError(f"hook: {file} cannot be started: {error.strerror}") from error
    if not file.is_absolute() or not stat.S_ISREG(mode) or not os.access(file, os.X_OK):
        raise SettingsError(f"hook: {file} is no program: an absolute path of a file that may be executed")
    if mode & stat.S_IWOTH:
        raise SettingsError(f"hook: {file} may be written by anybody: `chmod o-w {file}`")
    return file


class Program(Notices):
    name = "hook"

    def __init__(
        self, state: LoopState, file: Path, pauses: tuple[float, ...] = PAUSES, seconds: float = SECONDS
    ) -> None:
        super().__init__(state, pauses)
        self._file = file
        self._seconds = seconds

    async def attempt(self, body: bytes) -> str:
        none = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                self._file,
                stdin=asyncio.subprocess.PIPE,
                stdout=none,
                stderr=none,
                env={"PATH": _PATH},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return f"it could not be started: {error.strerror}"
        try:
            async with asyncio.timeout(self._seconds):
                await process.communicate(body)
        except TimeoutError:
            return f"it was not done after {self._seconds:g} s, and was killed"
        finally:
            await _end(process)
        return "" if process.returncode == 0 else f"it ended with {process.returncode}"


async def _end(process: asyncio.subprocess.Process) -> None:
    """One that runs still is killed, with all that it started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
