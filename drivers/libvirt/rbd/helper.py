"""
The helper process: a program of its own that holds one connection to Ceph and answers questions about its images.

The distribution's Python runs it (PYTHON of `tools`), for which the distribution's bindings are made; nothing of ours
is imported. Ceph's library hangs where a monitor or an OSD does not answer, so that whoever asks must be able to kill
this process at any time. It ends by itself when nobody can ask any more.

A question is a line of JSON with a number, answered by a line with the same number, not always in the order of the
questions: several are worked on at once. The first line says whether there is a connection.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

AT_ONCE = 4


class Refusal(Exception):
    """Ceph's answer to a command is an error."""

    def __init__(self, errno: int, why: str) -> None:
        super().__init__(why)
        self.errno = errno


class Images:
    """Each method is a question; its parameters are the keys of the question."""

    def __init__(self, cluster: Any, pool: Any, rbd: Any) -> None:
        self._cluster = cluster
        self._pool = pool
        self._rbd = rbd

    def _read(self, image: str) -> Any:
        """Read-only: it is no watcher then, and takes no lock."""
        return self._rbd.Image(self._pool, image, read_only=True)

    def _open(self, image: str) -> Any:
        return self._rbd.Image(self._pool, image)

    def images(self) -> list[str]:
        return list(self._rbd.RBD().list(self._pool))

    def create(self, image: str, size: int) -> None:
        features = self._rbd.RBD_FEATURE_LAYERING | self._rbd.RBD_FEATURE_EXCLUSIVE_LOCK
        self._rbd.RBD().create(self._pool, image, size, old_format=False, features=features)

    def size(self, image: str) -> int:
        with self._read(image) as opened:
            return int(opened.size())

    def rename(self, image: str, new: str) -> None:
        self._rbd.RBD().rename(self._pool, image, new)

    def resize(self, image: str, size: int) -> None:
        with self._open(image) as opened:
            opened.resize(size, allow_shrink=False)

    def remove(self, image: str) -> None:
        self._rbd.RBD().remove(self._pool, image)

    def copy(self, image: str, new: str) -> None:
        with self._read(image) as opened:
            opened.copy(self._pool, new)

    def watchers(self, image: str) -> list[str]:
        with self._read(image) as opened:
            return [each["addr"] for each in opened.watchers_list()]

    def noted(self, image: str) -> list[str]:
        with self._read(image) as opened:
            return [key for key, _ in opened.metadata_list()]

    def clients(self, image: str) -> dict[str, list[str]]:
        with self._read(image) as opened:
            locking = opened.list_lockers() or {"lockers": []}
            return {
                "lockers": [address for _, _, address in locking["lockers"]],
                "watchers": [each["addr"] for each in opened.watchers_list()],
                "noted": [key for key, _ in opened.metadata_list()],
            }

    def note(self, image: str, key: str) -> None:
        with self._open(image) as opened:
            opened.metadata_set(key, "open")

    def forget(self, image: str, key: str) -> None:
        with self._open(image) as opened:
            opened.metadata_remove(key)

    def map(self) -> None:
        """Returns when a monitor has told the newest map of the cluster."""
        self._cluster.wait_for_latest_osdmap()

    def blocklist(self) -> str:
        return self._command(prefix="osd blocklist ls", format="json")

    def block(self, address: str, seconds: float) -> None:
        self._command(prefix="osd blocklist", blocklistop="add", addr=address, expire=float(seconds))

    def unblock(self, address: str) -> None:
        self._command(prefix="osd blocklist", blocklistop="rm", addr=address)

    def _command(self, **words: object) -> str:
        code, output, said = self._cluster.mon_command(json.dumps(words), b"")
        if code != 0:
            raise Refusal(abs(code), said)
        return bytes(output).decode()


def answer(images: Images, line: str, errors: tuple[type[Exception], ...]) -> Mapping[str, object]:
    """``errors``: what has Ceph's errno."""
    question = json.loads(line)
    number, what = question.pop("number"), question.pop("ask")
    try:
        return {"number": number, "answer": getattr(images, what)(**question)}
    except errors as error:
        return {"number": number, "errno": abs(getattr(error, "errno", 0) or 0), "why": str(error)}


def connect(settings: Mapping[str, Any]) -> tuple[Images, tuple[type[Exception], ...]]:
    rados, rbd = importlib.import_module("rados"), importlib.import_module("rbd")
    cluster = rados.Rados(
        name=f"client.{settings['user']}",
        conffile=rados.Rados.NO_CONF_FILE,
        conf={
            "mon_host": ",".join(settings["monitors"]),
            "keyring": settings["keyring"],
            "client_mount_timeout": str(settings["connect"]),
        },
    )
    try:
        cluster.connect()
        return Images(cluster, cluster.open_ioctx(settings["pool"]), rbd), (rados.Error, rbd.Error, Refusal)
    except rados.Error as error:
        raise Refusal(getattr(error, "errno", 0) or 0, str(error)) from None


def main(settings: str, questions: Any, say: Callable[[Mapping[str, object]], None]) -> None:
    try:
        images, errors = connect(json.loads(settings))
    except ImportError as error:
        return say({"errno": 0, "why": f"{error}: `apt-get install python3-rbd python3-rados`"})
    except Refusal as error:
        return say({"errno": error.errno, "why": str(error)})
    say({"connected": True})
    workers = ThreadPoolExecutor(AT_ONCE)
    for line in questions:
        workers.submit(work, images, line, errors, say)
    return None


def work(images: Images, line: str, errors: tuple[type[Exception], ...], say: Callable[[Any], None]) -> None:
    try:
        say(answer(images, line, errors))
    except BaseException:  # noqa: BLE001 - whoever asked sees that we ended, and why
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def _say(lock: threading.Lock, words: Mapping[str, object]) -> None:
    with lock:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    said = threading.Lock()
    main(sys.argv[1], sys.stdin, lambda words: _say(said, words))
    os._exit(0)  # without waiting for questions that Ceph does not answer, nor for its library's threads
