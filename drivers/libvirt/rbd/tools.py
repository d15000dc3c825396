"""
Ceph as a helper process tells and does it (`helper`), which has one connection and can be killed.

Ceph's client library blocks for ever where a monitor or an OSD does not answer, and cannot be interrupted; its own
programs `rbd` and `ceph` cost seconds a start on a slow machine, and an attach has ten questions. Every method raises
`NotSent` (no connection), `Doubt` (no answer) or `Fault` (its answer is an error).
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from drivers.libvirt.rbd import answers, helper
from drivers.libvirt.rbd.settings import RbdSettings
from drivers.shared.faults import Doubt
from drivers.shared.helper import Helper
from drivers.shared.programs import PATH

PYTHON = "/usr/bin/python3"  # the distribution's, whose bindings they are; not always the one that we run on
_COPY_SECONDS = 7 * 86_400.0  # whoever waits has the deadline
_NAME = "the helper for Ceph"
_IMPORT_SECONDS = 60


def missing() -> str | None:
    """The cure, where the bindings are not installed."""
    argv = [PYTHON, "-I", "-c", "import rados, rbd"]
    try:
        done = subprocess.run(
            argv,
            env={"PATH": PATH},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_IMPORT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{PYTHON} cannot be run for Ceph's bindings: {error}"
    if done.returncode == 0:
        return None
    return f"Ceph's bindings for {PYTHON} are not installed: `apt-get install python3-rbd python3-rados`"


class Tools:
    def __init__(self, settings: RbdSettings) -> None:
        self._settings = settings
        words = {
            "monitors": settings.monitors,
            "user": settings.user,
            "keyring": settings.keyring,
            "pool": settings.pool,
            # Sooner than our own deadline: no connection is an answer, and a better one than none.
            "connect": max(1, int(settings.timeout / 2)),
        }
        self._argv = (PYTHON, "-I", "-B", helper.__file__, json.dumps(words))
        self._helper = Helper(_NAME, self._argv, helper.AT_ONCE)

    async def images(self) -> list[str]:
        return [str(each) for each in await self._ask("images")]

    async def create(self, image: str, size_bytes: int) -> None:
        await self._ask("create", image=image, size=size_bytes)

    async def size(self, image: str) -> int:
        return int(await self._ask("size", image=image))

    async def rename(self, image: str, new: str) -> None:
        """Fault of kind NO_VOLUME where it has another name by now. Who has it open does not notice."""
        await self._ask("rename", image=image, new=new)

    async def resize(self, image: str, size_bytes: int) -> None:
        """Never smaller: Ceph refuses that."""
        await self._ask("resize", image=image, size=size_bytes)

    async def remove(self, image: str) -> None:
        """Refused by Ceph (BUSY) while anybody has it open."""
        await self._long("remove", image=image)

    async def copy(self, image: str, new: str) -> None:
        await self._long("copy", image=image, new=new)

    async def watchers(self, image: str) -> list[str]:
        """Addresses of all that have it open for writing and were heard of within the last 30 s."""
        return answers.addresses(await self._ask("watchers", image=image))

    async def noted(self, image: str) -> list[str]:
        """Addresses that `note` left with the image."""
        return answers.noted(await self._ask("noted", image=image))

    async def clients(self, image: str) -> list[str]:
        """
        Addresses of all that may write to it: who has it open, who holds its lock, who had it before a grant.

        The lock's holder may write also where it is no watcher any more.
        """
        told = await self._ask("clients", image=image)
        return sorted({*answers.addresses([*told["watchers"], *told["lockers"]]), *answers.noted(told["noted"])})

    async def note(self, image: str, address: str) -> None:
        await self._ask("note", image=image, key=f"{answers.NOTE}{address}")

    async def forget(self, image: str, address: str) -> None:
        await self._ask("forget", image=image, key=f"{answers.NOTE}{address}")

    async def reached(self) -> None:
        """A monitor answers; what is asked after it goes to the OSDs that are responsible now."""
        await self._ask("map")

    async def blocklist(self) -> answers.Blocklist:
        return answers.blocklist(await self._ask("blocklist"))

    async def block(self, address: str) -> None:
        """An entry that is there is neither made longer nor shorter by it."""
        await self._ask("block", address=address, seconds=answers.FENCE_SECONDS)

    async def unblock(self, address: str) -> None:
        await self._ask("unblock", address=address)

    async def close(self) -> None:
        await self._helper.close()

    async def _ask(self, what: str, **words: object) -> Any:
        return await self._answered(self._helper, what, words, self._settings.timeout)

    async def _long(self, what: str, **words: object) -> Any:
        """What may take hours has a helper of its own: it does not end when another question has no answer."""
        own = Helper(_NAME, self._argv, 1)
        try:
            return await self._answered(own, what, words, _COPY_SECONDS)
        finally:
            await own.close()

    async def _answered(self, asked: Helper, what: str, words: dict[str, object], seconds: float) -> Any:
        answer = await asked.ask({"ask": what, **words}, seconds)
        if "errno" not in answer:
            return answer.get("answer")
        error = answers.failed(answer["errno"], str(answer["why"]), f"{what} {words.get('image', '')}".strip())
        if isinstance(error, Doubt):
            asked.end("its connection may be of no use")  # 108: it is on the blocklist itself, and stays there
        raise error
