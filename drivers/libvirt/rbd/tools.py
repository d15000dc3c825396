"""
Ceph as its own programs tell and do it: `rbd` and `ceph`, each call a process that can be killed.

Its client library blocks for ever where a monitor or an OSD does not answer, and cannot be interrupted. Every method
raises `NotSent` (no connection), `Doubt` (no answer) or `Fault` (its answer is an error).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence

from drivers.libvirt.rbd import answers
from drivers.libvirt.rbd.settings import RbdSettings
from drivers.shared.faults import Doubt, NotSent
from drivers.shared.programs import PATH, run

_AT_ONCE = 4
_COPY_SECONDS = 7 * 86_400.0  # whoever waits has the deadline


def missing() -> str | None:
    """The cure, where the programs are not installed."""
    if all(shutil.which(each, path=PATH) for each in ("rbd", "ceph")):
        return None
    return "Ceph's programs are not installed: `apt-get install ceph-common`"


class Tools:
    def __init__(self, settings: RbdSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._who = ("-c", "/dev/null", "-m", ",".join(settings.monitors), "--id", settings.user)

    async def images(self) -> list[str]:
        return answers.images(await self._rbd("ls", "--format", "json", self._settings.pool))

    async def create(self, image: str, size_bytes: int) -> None:
        features = ("--image-feature", "layering,exclusive-lock")
        await self._rbd("create", "--size", f"{size_bytes}B", *features, self._at(image))

    async def size(self, image: str) -> int:
        return answers.size(await self._rbd("info", "--format", "json", self._at(image)))

    async def rename(self, image: str, new: str) -> None:
        """Fault of kind NO_VOLUME where it has another name by now. Who has it open does not notice."""
        await self._rbd("mv", self._at(image), self._at(new))

    async def resize(self, image: str, size_bytes: int) -> None:
        """Never smaller: Ceph refuses that."""
        await self._rbd("resize", "--no-progress", "--size", f"{size_bytes}B", self._at(image))

    async def remove(self, image: str) -> None:
        """Refused by Ceph (BUSY) while anybody has it open."""
        await self._rbd("rm", "--no-progress", self._at(image), seconds=_COPY_SECONDS)

    async def copy(self, image: str, new: str) -> None:
        await self._rbd("cp", "--no-progress", self._at(image), self._at(new), seconds=_COPY_SECONDS)

    async def watchers(self, image: str) -> list[str]:
        """Addresses of all that have it open and were heard of within the last 30 s."""
        return answers.watchers(await self._rbd("status", "--format", "json", self._at(image)))

    async def noted(self, image: str) -> list[str]:
        """Addresses that `note` left with the image."""
        return answers.noted(await self._rbd("image-meta", "ls", "--format", "json", self._at(image)))

    async def clients(self, image: str) -> list[str]:
        """Addresses of all that may write to it: who has it open, who wrote last, who had it before a grant."""
        locking = answers.lockers(await self._rbd("lock", "ls", "--format", "json", self._at(image)))
        return sorted({*await self.watchers(image), *locking, *await self.noted(image)})

    async def note(self, image: str, address: str) -> None:
        await self._rbd("image-meta", "set", self._at(image), f"{answers.NOTE}{address}", "open")

    async def forget(self, image: str, address: str) -> None:
        await self._rbd("image-meta", "remove", self._at(image), f"{answers.NOTE}{address}")

    async def blocklist(self) -> answers.Blocklist:
        return answers.blocklist(await self._ceph("osd", "blocklist", "ls", "--format", "json"))

    async def block(self, address: str) -> None:
        """An entry that is there is neither made longer nor shorter by it."""
        await self._ceph("osd", "blocklist", "add", address, str(answers.FENCE_SECONDS))

    async def unblock(self, address: str) -> None:
        await self._ceph("osd", "blocklist", "rm", address)

    def _at(self, image: str) -> str:
        return f"{self._settings.pool}/{image}"

    async def _rbd(self, *words: str, seconds: float | None = None) -> str:
        # Sooner than our own deadline: no connection is an answer, and a better one than none.
        connect = ("--client-mount-timeout", str(max(1, int(self._settings.timeout / 2))))
        return await self._run(("rbd", *connect), words, seconds or self._settings.timeout)

    async def _ceph(self, *words: str) -> str:
        connect = ("--connect-timeout", str(max(1, int(self._settings.timeout / 2))))
        return await self._run(("ceph", *connect), words, self._settings.timeout)

    async def _run(self, program: Sequence[str], words: Sequence[str], seconds: float) -> str:
        argv = [*program, *self._who, "--keyring", self._settings.keyring, *words]
        what = f"{program[0]} {' '.join(words[:3])}"
        async with self._turns:
            try:
                async with asyncio.timeout(seconds):
                    done = await run(argv)
            except TimeoutError:
                raise Doubt(f"Ceph did not answer within {seconds:g} s ({what})") from None
            except OSError as error:
                raise NotSent(f"{program[0]} cannot be run: {error}") from None
        if done.code != 0:
            raise answers.failed(done.code, done.errors, what)
        return done.output
