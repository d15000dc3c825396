"""The storage: away, started anew, slow, full, and what it says that is not so."""

from __future__ import annotations

import signal

from deploy.drill.chaos.faults.base import Act, Breaker, ChaosFault, nothing
from deploy.drill.chaos.schedule import Kind
from deploy.drill.proxy import controller_process
from deploy.lab.kernel import processes


def _storage_away(breaker: Breaker, _node: str) -> None:
    for pid in breaker.lab.host.pids():
        processes.kill(pid, signal.SIGSTOP)


def _storage_back(breaker: Breaker, _node: str) -> None:
    for pid in breaker.lab.host.pids():
        controller_process.thaw(pid)


def _storage_crash(breaker: Breaker, _node: str) -> None:
    for pid in breaker.lab.host.pids():
        processes.kill(pid)
        processes.wait_gone(pid, 10)
    breaker.lab.host.start()


def _misbehaves(kind: str) -> Act:
    def misbehave(breaker: Breaker, _node: str) -> None:
        breaker.lab.misbehave(kind)

    return misbehave


def _lie(name: str, kind: str, text: str) -> ChaosFault:
    return ChaosFault(Kind(name), text, _misbehaves(kind), _misbehaves(""))


FAULTS = (
    ChaosFault(Kind("storage-away", 2), "The storage takes calls and does not answer.", _storage_away, _storage_back),
    ChaosFault(Kind("storage-crash", lasts=False), "The storage's server is started anew.", _storage_crash, nothing),
    _lie("storage-slow", "slow", "Each call to the storage takes some seconds more."),
    _lie("storage-full", "full", "The storage makes and grows no disk."),
    _lie("storage-did-not", "did-not", "The storage says done, and has done nothing."),
    _lie("storage-said-failed", "said-failed", "The storage says failed, and has done it."),
    _lie("storage-unanswered", "unanswered", "The storage does it, and the connection ends without an answer."),
    _lie("storage-forgets", "forgets-disks", "The storage lists no disk and no attachment."),
    _lie("storage-forgets-vms", "forgets-machines", "The storage lists no machine."),
)
