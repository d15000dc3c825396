"""One round: a growth or a snapshot is ordered, at one step of it something is killed, and all is compared."""

from __future__ import annotations

import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.drill.errors import DrillError
from deploy.drill.proxy import controller_process
from deploy.drill.proxy.call_meaning import Step, StopPoint, When
from deploy.drill.proxy.controller_process import controller_of
from deploy.drill.proxy.values import Act
from deploy.drill.swarm.cluster import Trouble, wait_for
from deploy.lab.kernel import processes
from deploy.lab.names import Layout
from tests.drills.day.swarm import PATIENCE, Swarm
from tests.drills.under_load.writer import Writer, lost_on

MIB = 2**20
CONTROLLER, GATE, MACHINE = "controller", "gate", "machine"
VICTIMS = (CONTROLLER, GATE, MACHINE)
GROWTHS = tuple(StopPoint(when, step) for step in (Step.GROW, Step.NOTE_GROWN) for when in When)
COPIES = tuple(StopPoint(when, step) for step in (Step.ORDER_COPY, Step.COPY, Step.NOTE_COPY) for when in When)
PROGRAMS = (b"resize2fs", b"e2fsck")  # that the gate runs when an ext4 follows its disk
WITHIN = 120.0


@dataclass(slots=True)
class Round:
    """``point`` None: while the file system follows its disk. ``lost``: bytes of the volume, and of the snapshot."""

    change: str
    point: StopPoint | None
    victim: str
    hit: str = ""
    lost: int = -1
    lost_in_copy: int = 0
    acked: int = 0


class Site:
    def __init__(self, swarm: Swarm, writers: dict[str, Writer]) -> None:
        self.swarm = swarm
        self.writers = writers  # by volume
        self.sizes = {"small": 256, "large": 512}  # MiB
        self.count = 0

    def run(self, turn: Round, volume: str) -> None:
        writer = self.writers[volume]
        writer.goes_on()
        node = self.swarm.newest_runs(writer.service)
        if not node:
            raise DrillError(f"{writer.service} runs nowhere")
        self.count += 1
        acked = dict(writer.acked)
        self._arm(turn, volume, node)
        try:
            if turn.change == "grow":
                self._grow(volume, writer, turn)
            else:
                turn.lost_in_copy = self._copy(volume, acked)
            self._hit(turn)
            writer.goes_on()
            turn.acked, turn.lost = writer.total(), writer.lost(dict(writer.acked))
        finally:
            self.swarm.scenario.need_proxy().disarm()
            self.swarm.cluster.avoid = ""
            if self.swarm.lab.power(node) == "off":
                self.swarm.lab.power_on(node)
        self.swarm.scenario.ready(240)

    # -- who is hit

    def _arm(self, turn: Round, volume: str, node: str) -> None:
        proxy = self.swarm.scenario.need_proxy()

        def strike() -> None:
            turn.hit = self._strike(turn.victim, node)

        if turn.point is None and volume == "large":  # xfs follows at once
            follows = threading.Timer(random.uniform(0.0, 1.0), strike)
            proxy.arm(StopPoint(When.AFTER, Step.NOTE_GROWN), follows.start)
        elif turn.point is None:
            threading.Thread(target=self._watch, args=(node, strike), daemon=True).start()
        else:
            proxy.arm(turn.point, Act.KILL if turn.victim == CONTROLLER else strike)

    def _strike(self, victim: str, node: str) -> str:
        if victim == MACHINE:
            self.swarm.cluster.avoid = node
            self.swarm.lab.power_off(node)
            return f"{node} off"
        if victim == CONTROLLER:
            where = self.swarm.asked("status")["holder"]
            pid = controller_of(self.swarm.lab.spec.name)(where)
        else:
            where, pid = node, self._gate(node)
        if pid is None:
            raise DrillError(f"no {victim} runs on {where}")
        controller_process.kill(pid)
        return f"{victim} on {where}"

    def _gate(self, node: str) -> int | None:
        return next((pid for pid in self._processes(node) if b"gate" in _words(pid) and _ours(pid)), None)

    def _processes(self, node: str) -> list[int]:
        init = processes.node_init(self.swarm.lab.spec.name, node)
        return [] if init is None else processes.members(init)

    def _watch(self, node: str, strike: Callable[[], None]) -> None:
        """Until a file system is made larger there."""
        ends = time.monotonic() + WITHIN
        while time.monotonic() < ends:
            if any(each in PROGRAMS for pid in self._processes(node) for each in _words(pid)[:1]):
                strike()
                return

    def _hit(self, turn: Round) -> None:
        stopped = self.swarm.scenario.need_proxy().stopped
        if turn.victim == CONTROLLER and turn.point is not None and stopped is not None:
            turn.hit = f"controller on {stopped.node}"

    # -- what is ordered

    def _order(self, *words: str, done: str, already: str) -> None:
        """As a person says it, again when it was cut off. ``already``: what is said when it was done before."""

        def said() -> str:
            try:
                told = self.swarm.reberth(*words)
            except (DrillError, *Trouble) as error:
                return "" if already in str(error) else str(error)
            return "" if done in told else told

        wait_for(said, WITHIN, 1.0)

    def _grow(self, volume: str, writer: Writer, turn: Round) -> None:
        self.sizes[volume] += 32
        wanted, before = self.sizes[volume], self._room(writer.service)
        self._order("grow", volume, f"{wanted}MiB", done=f"{wanted * MIB} bytes now", already="bytes now")
        if volume == "small":  # ext4 grows when it is mounted
            self.swarm.docker(self.swarm.cluster.manager(), "service", "update", "-d", "--force", writer.service)
        wait_for(lambda: "" if turn.point is not None or turn.hit else "nothing was hit yet", WITHIN)
        wait_for(lambda: self._smaller(writer.service, before), WITHIN, 1.0)
        explained = self.swarm.asked("explain", volume)
        if explained["size_bytes"] != wanted * MIB:
            raise DrillError(f"{volume} has {explained['size_bytes']} bytes, should have {wanted * MIB}")

    def _room(self, service: str) -> int:
        return int(self.swarm.inside(service, "df", "-m", "--output=size", "/data").split()[-1])

    def _smaller(self, service: str, before: int) -> str:
        try:
            room = self._room(service)
        except (DrillError, ValueError, *Trouble) as error:
            return f"{service} is not there: {error}"
        return "" if room > before + 16 else f"{service} has {room} MiB, before {before}"

    def _copy(self, volume: str, acked: dict[int, int]) -> int:
        """Bytes that were acknowledged before the order, and are not in it."""
        name = f"s{self.count}"
        self._order("snapshot", "create", volume, name, done="is there", already=f"has a snapshot {name} already")
        wait_for(lambda: self._not_there(volume, name), WITHIN)
        listed = self.swarm.asked("snapshot", "list", volume)["snapshots"]
        (disk,) = [each["disk"] for each in listed if each["name"] == name]
        lost = self._compared(disk, acked)
        self._order("snapshot", "delete", volume, name, "--yes", done="is being deleted", already="has no snapshot")
        wait_for(lambda: "" if self._not_there(volume, name) else f"{name} is still there", PATIENCE)
        return lost

    def _not_there(self, volume: str, name: str) -> str:
        listed = self.swarm.asked("snapshot", "list", volume)["snapshots"]
        states = [f"{each['state']} {each['why']}" for each in listed if each["name"] == name]
        return "" if states == ["there "] else f"snapshot {name}: {states}"

    def _compared(self, disk: str, acked: dict[int, int]) -> int:
        """On a copy of it, which may replay its journal."""
        pool = Layout(self.swarm.lab.spec.name).pool
        with tempfile.TemporaryDirectory() as folder:
            image = pool / "compared"
            try:
                subprocess.run(["cp", "--reflink=always", pool / f"{disk}.img", image], check=True)
                kind = "nouuid" if "large" in disk else "rw"
                subprocess.run(["mount", "-o", f"loop,{kind}", image, folder], check=True)
                try:
                    return lost_on(Path(folder), acked)
                finally:
                    subprocess.run(["umount", folder], check=True)
            finally:
                image.unlink(missing_ok=True)


def _words(pid: int) -> list[bytes]:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [words[0].rsplit(b"/", 1)[-1], *words[1:]]


def _ours(pid: int) -> bool:
    return b"/opt/reberth/bin/reberth" in _words(pid)
