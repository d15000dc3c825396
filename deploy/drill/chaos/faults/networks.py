"""
The network of a machine: packets are late or lost, or go one way only, or not between some.

By the packet filter of the node's own network namespace, so a reset of the machine cures it, as it does a real one's;
slow by a wire of our own (deploy/lab/kernel/slow_wire.py), as not every kernel has sch_netem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deploy.drill.chaos.faults.base import Act, Breaker, ChaosFault, following, if_on
from deploy.drill.chaos.schedule import Kind
from deploy.drill.errors import DrillError
from deploy.lab.kernel import network
from deploy.lab.names import HOST_PORT

DELAY, JITTER = 0.2, 0.3  # seconds
LOST = 0.2  # of all packets, each way
IN, OUT = ("raw", "PREROUTING", "-i"), ("mangle", "POSTROUTING", "-o")


@dataclass(frozen=True, slots=True)
class Dropped:
    """What is dropped at the machine's cable. ``words``: of iptables(8)."""

    hook: tuple[str, str, str]
    words: tuple[str, ...] = ()

    def rule(self, chain: str) -> list[str]:
        return ["-t", self.hook[0], "-A", chain, *self.words, "-j", "DROP"]


Drops = Callable[[Breaker, str], list[Dropped]]


def _chain(name: str) -> str:
    return f"chaos-{name}"


def _filter(breaker: Breaker, node: str, *words: str, must: bool = True) -> None:
    done = breaker.lab.exec(node, ["iptables", "--wait", *words])
    if must and done.returncode != 0:
        raise DrillError(f"`iptables {' '.join(words)}` on {node}: {done.stderr.strip()}")


def drop(name: str, drops: Drops) -> Act:
    """Done twice, it is as done once: two rules would lose more than one."""

    def act(breaker: Breaker, node: str) -> None:
        chain = _chain(name)
        wanted = drops(breaker, node)
        for table, hook, way in sorted({each.hook for each in wanted}):
            _filter(breaker, node, "-t", table, "-N", chain, must=False)
            _filter(breaker, node, "-t", table, "-F", chain)
            _filter(breaker, node, "-t", table, "-D", hook, way, "eth0", "-j", chain, must=False)
            _filter(breaker, node, "-t", table, "-I", hook, way, "eth0", "-j", chain)
        for each in wanted:
            _filter(breaker, node, *each.rule(chain))

    return act


def pass_again(name: str) -> Act:
    def cure(breaker: Breaker, node: str) -> None:
        if breaker.lab.power(node) == "off":
            return
        for table, hook, way in (IN, OUT):
            _filter(breaker, node, "-t", table, "-D", hook, way, "eth0", "-j", _chain(name), must=False)
            _filter(breaker, node, "-t", table, "-F", _chain(name), must=False)
            _filter(breaker, node, "-t", table, "-X", _chain(name), must=False)

    return cure


def _between(breaker: Breaker, names: list[str]) -> Iterator[Dropped]:
    for name in names:
        address = breaker.lab.node(name).address
        yield Dropped(IN, ("-s", address))
        yield Dropped(OUT, ("-d", address))


def _managers(breaker: Breaker, node: str) -> list[Dropped]:
    return list(_between(breaker, [name for name in breaker.others(node) if breaker.lab.node(name).manager]))


def _next(breaker: Breaker, node: str) -> list[Dropped]:
    return list(_between(breaker, [following(breaker, node)]))


def _storage(breaker: Breaker, _node: str) -> list[Dropped]:
    gateway, port = breaker.lab.spec.gateway, str(HOST_PORT)
    return [
        Dropped(IN, ("-s", gateway, "-p", "tcp", "--sport", port)),
        Dropped(OUT, ("-d", gateway, "-p", "tcp", "--dport", port)),
    ]


def _some(_breaker: Breaker, _node: str) -> list[Dropped]:
    words = ("-m", "statistic", "--mode", "random", "--probability", str(LOST))
    return [Dropped(IN, words), Dropped(OUT, words)]


def _deaf(_breaker: Breaker, _node: str) -> list[Dropped]:
    return [Dropped(IN)]


def _mute(_breaker: Breaker, _node: str) -> list[Dropped]:
    return [Dropped(OUT)]


def _fault(name: str, text: str, drops: Drops) -> ChaosFault:
    return ChaosFault(Kind(name), text, if_on(drop(name, drops)), pass_again(name))


def _slow(breaker: Breaker, node: str) -> None:
    network.slow(breaker.layout, node, DELAY, JITTER)


def _quick(breaker: Breaker, node: str) -> None:
    network.quicken(breaker.layout, node)


FAULTS = (
    ChaosFault(Kind("delay"), "The machine's packets take 0.2 to 0.5 s, each way.", if_on(_slow), _quick),
    _fault("loss", "A fifth of the machine's packets is lost, each way.", _some),
    _fault("deaf", "The machine sends, and hears nothing.", _deaf),
    _fault("mute", "The machine hears, and nothing that it sends arrives.", _mute),
    _fault("cut-from-managers", "The machine reaches the storage, and no other manager.", _managers),
    _fault("cut-from-next", "Two machines do not reach each other; both reach all others.", _next),
    _fault("cut-from-storage", "The machine reaches all others, and not the storage.", _storage),
)
